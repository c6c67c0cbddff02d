"""Counters of this host's API at one moment, and what happened between two of them.

Samples of the last minutes are kept in a file beside the metrics of the web processes, so that whichever process
answers can say what the last minute brought. Nothing is sampled while nobody looks.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_WINDOW_SECONDS = 60.0
_KEPT_SECONDS = 180.0
_APART_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters since the start of the processes.

    Attributes:
        at: epoch seconds.
        answers: scoring requests by HTTP status.
        latency: cumulative number of scoring answers up to each bound, seconds, as text ("0.05", "+Inf").
        decisions: by kind, of all live workers.
    """

    at: float
    answers: Mapping[str, float] = field(default_factory=dict)
    latency: Mapping[str, float] = field(default_factory=dict)
    decisions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in some seconds; without an earlier sample `seconds` is None, and it is all since the start."""

    seconds: float | None
    answers: Mapping[str, float]
    latency: Mapping[str, float]
    decisions: Mapping[str, float]

    def percentile_seconds(self, share: float) -> float | None:
        """Returns the latency that so many answers did not exceed, interpolated; None without answers.

        Past the last bound the bound itself is returned, for nobody knows more.
        """
        bounds = sorted((float(bound), count) for bound, count in self.latency.items())
        total = bounds[-1][1] if bounds else 0.0
        if total <= 0:
            return None
        wanted, lower, below = share * total, 0.0, 0.0
        for bound, count in bounds:
            if count >= wanted:
                if bound == float("inf"):
                    return lower
                inside = count - below
                return lower + (bound - lower) * ((wanted - below) / inside if inside > 0 else 1.0)
            lower, below = bound, count
        return lower


class Samples:
    """The samples of the last minutes.

    Args:
        file: shared by the web processes of this host; None keeps them in this process.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._own: list[Sample] = []

    def window(self, now: Sample) -> Window:
        """Keeps a sample and returns what happened since the oldest one of the last minute."""
        known = [sample for sample in self._read() if 0 < now.at - sample.at <= _KEPT_SECONDS]
        if not known or now.at - known[-1].at >= _APART_SECONDS:
            self._write([*known, now])
        older = [sample for sample in known if now.at - sample.at <= _WINDOW_SECONDS] or known[-1:]
        earlier = older[0] if older else Sample(now.at)
        return Window(
            seconds=now.at - earlier.at if older else None,
            answers=_growth(now.answers, earlier.answers),
            latency=_growth(now.latency, earlier.latency),
            decisions=_growth(now.decisions, earlier.decisions),
        )

    def _read(self) -> Sequence[Sample]:
        if self._file is None:
            return self._own
        try:
            return [_sample(content) for content in json.loads(self._file.read_text())]
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return []

    def _write(self, samples: list[Sample]) -> None:
        self._own = samples
        if self._file is None:
            return
        # Two processes may write at once: either's samples will do.
        draft = self._file.with_suffix(f".{time.monotonic_ns()}")
        with suppress(OSError):
            draft.write_text(json.dumps([asdict(sample) for sample in samples]))
            draft.replace(self._file)


def _sample(content: dict[str, Any]) -> Sample:
    counts = ({str(name): float(value) for name, value in content[key].items()} for key in _COUNTS)
    return Sample(float(content["at"]), *counts)


_COUNTS = ("answers", "latency", "decisions")


def _growth(now: Mapping[str, float], earlier: Mapping[str, float]) -> dict[str, float]:
    """Returns how far counters grew; one that fell was begun anew in between."""
    return {
        name: value - earlier.get(name, 0.0) if value >= earlier.get(name, 0.0) else value
        for name, value in now.items()
    }
