"""The answers that this process gave last, kept until Redis can no longer have lost them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ml.stores.decisions.decisions import NewDecision
from tasks.clock import SHARED_CLOCK

_MOST_ANSWERS = 1_000
_MOST_SAMPLES = 12
_SAMPLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RecentAnswer:
    """An answer as it was recorded, and when, by this process's monotonic clock."""

    entry: NewDecision
    answered_at: float


@dataclass(frozen=True, slots=True)
class AnswerSample:
    """The id of an answered transaction and when it was answered, epoch seconds."""

    transaction_id: str
    answered_at: float


class RecentAnswers:
    """Keeps the last answers as they were recorded, a few megabytes, and samples of the last two minutes.

    The scoring thread notes, the housekeeping reads.

    Args:
        clock: monotonic seconds.
        wall_clock: epoch seconds.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = SHARED_CLOCK.now
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._answers: deque[RecentAnswer] = deque(maxlen=_MOST_ANSWERS)
        self._samples: deque[AnswerSample] = deque(maxlen=_MOST_SAMPLES)

    @property
    def is_full(self) -> bool:
        """Whether earlier answers were forgotten."""
        return len(self._answers) == _MOST_ANSWERS

    def note(self, entries: Sequence[NewDecision]) -> None:
        """Keeps answers that were just recorded."""
        now = self._clock()
        with self._lock:
            self._answers.extend(RecentAnswer(entry, now) for entry in entries)

    def younger_than(self, seconds: float) -> list[RecentAnswer]:
        """Returns the kept answers of the last seconds, oldest first."""
        since = self._clock() - seconds
        with self._lock:
            return [answer for answer in self._answers if answer.answered_at > since]

    def samples(self) -> list[AnswerSample]:
        """Returns the last answer and one for every ten seconds before it, oldest first."""
        with self._lock:
            newest = self._answers[-1] if self._answers else None
        if newest is not None:
            self._sample(newest)
        return list(self._samples)

    def _sample(self, newest: RecentAnswer) -> None:
        answered_at = self._wall_clock() - (self._clock() - newest.answered_at)
        sample = AnswerSample(newest.entry.transaction_id, answered_at)
        # The last one moves on until it is ten seconds after the one before it.
        if len(self._samples) > 1 and self._samples[-1].answered_at - self._samples[-2].answered_at < _SAMPLE_SECONDS:
            self._samples.pop()
        if not self._samples or self._samples[-1].transaction_id != sample.transaction_id:
            self._samples.append(sample)
