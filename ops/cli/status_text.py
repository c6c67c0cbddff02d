"""The platform's status in a terminal: the lines of the page /status."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from security.names import as_line

_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}
_MARKS = {"ok": "✓", "warn": "!", "bad": "✕"}


def status_text(status: Mapping[str, Any]) -> str:
    """Returns the lines of an answer of `/admin/status`.

    Raises:
        KeyError, TypeError, ValueError: it is another answer.
    """
    seen = datetime.fromtimestamp(status["at"], UTC).strftime("%H:%M:%S")
    level = status["level"]
    lines = [
        click.style(f"{_MARKS[level]} {as_line(status['verdict'])}", fg=_COLOURS[level], bold=True) + f"  ({seen} UTC)"
    ]
    lines += [click.style(f"  {as_line(sentence)}", fg=_COLOURS[level]) for sentence in status["findings"]]
    for section in status["sections"]:
        note = click.style(f"  {as_line(section['note'])}", dim=True) if section["note"] else ""
        lines += ["", click.style(as_line(section["title"]), bold=True) + note]
        width = max((len(row["name"]) for row in section["rows"]), default=0)
        for row in section["rows"]:
            mark = _MARKS.get(row["level"], " ")
            text = as_line(f"  {mark} {row['name']:<{width}}  {row['value']}")
            lines.append(click.style(text, fg=_COLOURS.get(row["level"])) if row["level"] in {"warn", "bad"} else text)
    return "\n".join(lines)
