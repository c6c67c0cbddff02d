"""The status of the platform as people read it: a verdict, what is not well, and blocks of lines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How well something is; `info` says nothing of it."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Row:
    """One line."""

    name: str
    value: str
    level: Level = Level.INFO


@dataclass(frozen=True, slots=True)
class Section:
    """A block of lines, with a note on what they are."""

    title: str
    rows: Sequence[Row]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not well, in one sentence."""

    level: Level
    sentence: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the page, the terminal and the JSON show.

    Attributes:
        at: when it was observed, epoch seconds.
        findings: the worst first.
    """

    at: float
    findings: Sequence[Finding]
    sections: Sequence[Section]

    @property
    def level(self) -> Level:
        """The worst of the findings."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in (Level.BAD, Level.WARN) if level in levels), Level.OK)

    @property
    def verdict(self) -> str:
        """The answer to "is all well?" in one sentence."""
        count = len(self.findings)
        things = "1 thing needs" if count == 1 else f"{count} things need"
        match self.level:
            case Level.BAD:
                return f"Not well: {things} attention."
            case Level.WARN:
                return f"Scoring works; {things} attention."
            case _:
                return "All is well."

    def wire(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return {
            "at": self.at,
            "level": self.level,
            "verdict": self.verdict,
            "findings": [finding.sentence for finding in self.findings],
            "sections": [asdict(section) for section in self.sections],
        }


def span(seconds: float) -> str:
    """Returns a length of time for people.

    >>> span(0.25), span(42), span(200), span(9000), span(200_000)
    ('0.2 s', '42 s', '3 min', '2.5 h', '2.3 d')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"
