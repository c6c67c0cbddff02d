"""Names in env files and the environment that are no setting, with the setting that was probably meant."""

import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from settings.settings import DEVELOPMENT_ENV_FILE, Settings

_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=", re.MULTILINE)
_OTHERS = re.compile(r"(?:COMPOSE|DOCKER|BUILDKIT)_")
"""Names of programs that read the same `.env` file."""

_RESEMBLES = 0.6
_IS_ALMOST = 0.88
"""In the environment, which is full of other programs' names, only what differs by a letter or two."""


def unknown_names(files: Iterable[Path] = (DEVELOPMENT_ENV_FILE, Path(".env"))) -> Iterator[str]:
    """Yields a sentence for each name that is no setting."""
    known = _known()
    for file in files:
        yield from unknown_names_in(file)
    for name in sorted(os.environ):  # noqa: TID251 - the names that the settings leave unread
        if name.upper() not in known and (meant := _meant(name, known, _IS_ALMOST)):
            yield f"The environment names {name}, which is no setting{meant}."


def unknown_names_in(file: Path) -> Iterator[str]:
    """Yields a sentence for each name in an env file that is no setting."""
    if not file.is_file():
        return
    known = _known()
    for name in dict.fromkeys(_ASSIGNMENT.findall(file.read_text(errors="replace"))):
        if name.upper() not in known and not _OTHERS.match(name.upper()):
            yield f"{file} names {name}, which is no setting{_meant(name, known, _RESEMBLES)}."


def _known() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


def _meant(name: str, known: set[str], cutoff: float) -> str:
    nearest = get_close_matches(name.upper(), sorted(known), n=1, cutoff=cutoff)
    return f"; {nearest[0]} is the nearest one" if nearest else ""
