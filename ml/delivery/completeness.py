"""Completeness: whether everything that was answered in a window is where it belongs, sink by sink.

`ml.delivery.reconciliation` repairs entries that a sink has not acknowledged. This comparison reads from the sink
itself those that it did acknowledge, because a server can lose data that it had confirmed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ml.delivery.reconciliation import repaired_event
from ml.stores.arrivals.arrivals import Arrivals, Found
from ml.stores.decisions.decisions import DecisionReader
from ml.stores.outbox.answered import AnsweredIndex
from ml.stores.outbox.awaiting import AwaitingIndex

_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Window:
    """Whole minutes since the epoch, the first and the last one included."""

    first_minute: int
    last_minute: int

    @classmethod
    def before(cls, epoch_seconds: float, *, minutes: int) -> "Window":
        """Returns so many whole minutes, all of them over by a moment.

        >>> Window.before(600.0, minutes=3)
        Window(first_minute=7, last_minute=9)
        >>> Window.before(659.9, minutes=1)
        Window(first_minute=9, last_minute=9)
        """
        last = int(epoch_seconds // 60) - 1
        return cls(last - minutes + 1, last)

    @property
    def start_ms(self) -> int:
        """Its beginning, epoch milliseconds."""
        return self.first_minute * 60_000


@dataclass(frozen=True, slots=True)
class CompletenessReport:
    """The result of one comparison for one sink.

    Attributes:
        sink: `explain` or `publish`.
        answered: transactions answered in the window.
        awaiting: not acknowledged yet, or given up: left to the drains and the operator.
        present: acknowledged and there.
        unverifiable: acknowledged and possibly dropped by the sink's own rules since.
        repaired: acknowledged, absent, and put back into the stream from the decision record.
        lost: acknowledged, absent, and without a decision record.
        shard: whose outbox it was; None where scoring is not sharded.
    """

    sink: str
    answered: int
    awaiting: int
    present: int
    unverifiable: int
    repaired: int
    lost: int
    shard: str | None = None


@dataclass(frozen=True, slots=True)
class SinkCheck:
    """Compares one sink with the answered transactions.

    Attributes:
        sink: its name.
        index: the answered transactions, by minute.
        awaiting: the transactions that the sink has not acknowledged.
        arrivals: reads which transactions it holds.
        decisions: the records that repairs are made from.
        shard: whose outbox it is, for the report.
    """

    sink: str
    index: AnsweredIndex
    awaiting: AwaitingIndex
    arrivals: Arrivals
    decisions: DecisionReader
    shard: str | None = None

    def run(self, window: Window) -> CompletenessReport:
        """Compares and repairs.

        Raises:
            StoreUnavailableError: a server cannot be reached; repairs made before that stay.
        """
        answered: dict[str, int] = {}
        for minute in range(window.first_minute, window.last_minute + 1):
            answered |= dict.fromkeys(self.index.answered(minute), minute)
        # Read before the sink: an entry acknowledged in between must not look absent.
        awaiting = self._awaiting(list(answered))
        asked = [name for name in answered if name not in awaiting]
        found = self.arrivals.look(asked, since_ms=window.start_ms) if asked else Found(set())
        absent = [name for name in asked if name not in found.present]
        missing = [name for name in absent if answered[name] * 60_000 >= found.complete_since_ms]
        repaired, lost = self._repair(missing)
        return CompletenessReport(
            sink=self.sink,
            answered=len(answered),
            awaiting=len(awaiting) + len(missing) - repaired - lost,
            present=len(asked) - len(absent),
            unverifiable=len(absent) - len(missing),
            repaired=repaired,
            lost=lost,
            shard=self.shard,
        )

    def _awaiting(self, transaction_ids: Sequence[str]) -> set[str]:
        parts = (transaction_ids[start : start + _CHUNK] for start in range(0, len(transaction_ids), _CHUNK))
        return {name for part in parts for name in self.awaiting.awaiting(part)}

    def _repair(self, missing: Sequence[str]) -> tuple[int, int]:
        """Returns how many were put back, and how many cannot be; another reconciliation may have been faster."""
        repaired, lost = 0, 0
        for start in range(0, len(missing), _CHUNK):
            part = missing[start : start + _CHUNK]
            for name, record in zip(part, self.decisions.find_many(part), strict=True):
                if record is None:
                    lost += 1
                else:
                    repaired += self.awaiting.repair(name, repaired_event(record), awaited_since_ms=None)
        return repaired, lost
