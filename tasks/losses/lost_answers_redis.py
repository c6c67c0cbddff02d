"""Finds answers that Redis lost although it kept its other data, and writes them again.

A replica that takes over may lack what its master answered last; a server that is started again may lack what was not
on its disk; somebody may put an older copy back. The name of the data stays the same in all three. But the server is
another one then, or runs anew: each run has an id, and each promotion begins a new history with an id of its own. Once
either has changed, this process records its last answers again. The commit is idempotent: what was kept is left alone,
what was lost is back, with its outbox entry. Where the same server holds the histories behind the features, they
remember the payments of lost answers again, before the record is back: whatever ends a check halfway, the next one
still knows them for lost. A payment that a history holds already changes nothing.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import compress, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson
import redis

from ml.domain.errors import StoreUnavailableError
from ml.domain.transaction import Transaction
from ml.stores.decisions.decisions import CommitOutcome, DecisionStore, Reply
from ml.stores.decisions.decisions_redis import lookup_command
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from tasks.clock import SHARED_CLOCK
from tasks.losses.dataset_memory import StateFile
from tasks.losses.dataset_name_redis import NamedData
from tasks.losses.recent_answers import AnswerSample, RecentAnswer, RecentAnswers

if TYPE_CHECKING:
    # Its histories are arrays; the API, which keeps none, imports this without numpy.
    from ml.stores.features.features import FeatureStore

OLD_COPY_SECONDS = 60.0
"""No replica lags as long as this; a Redis that lacks older answers holds an old copy of the data."""

_SETTLING_SECONDS = 15.0
"""After a change the old server may have taken commits for a moment, over connections that were still open."""

_COMMIT_ROWS = 100
_MOST_NAMED = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LossReport:
    """What was found after Redis became another server or was started again.

    Attributes:
        restored: answers that were gone and are recorded again.
        lost: transactions whose answer is gone for good.
        is_old_copy: whether Redis lacks more than what a replica may lack.
        unobserved: of the restored ones, those whose payment the histories may lack for good.
    """

    restored: int = 0
    lost: tuple[str, ...] = ()
    is_old_copy: bool = False
    unobserved: int = 0


@dataclass(frozen=True, slots=True)
class AnswersServer:
    """The server of the decision records.

    Attributes:
        client: of it, which scoring does not use.
        data: what it holds, by its name.
        histories: if it holds those too, so that they are lost with the answers.
    """

    client: "redis.Redis"
    data: NamedData
    histories: "FeatureStore | None"


class LostAnswers:
    """Looks whether Redis is still the server that it was.

    Args:
        server: of the decision records.
        decisions: the records there, over that server's client.
        recent: what this process answered last.
        file: keeps samples of that while the process does not run.
        record_ttl_seconds: life of a record; older answers are not missed.
        on_loss: called with each report that is not empty.
        send_doorbells: for the entries that were written again.
    """

    def __init__(
        self,
        server: AnswersServer,
        decisions: DecisionStore,
        recent: RecentAnswers,
        *,
        file: StateFile,
        record_ttl_seconds: float,
        on_loss: Callable[[LossReport], None],
        send_doorbells: Callable[..., None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data = server.data
        self._client: Any = server.client  # redis-py types each reply as a union over decoding modes
        self._decisions = decisions
        self._recent = recent
        self._histories = server.histories
        self._file = file
        self._missed_seconds = record_ttl_seconds / 2
        self._on_loss = on_loss
        self._send_doorbells = send_doorbells
        self._clock = clock
        self._server: tuple[str, ...] | None = None
        self._changed_at = float("-inf")
        self._samples: list[AnswerSample] = []

    def check(self) -> None:
        """Looks once; the first time at the answers of the process before this one.

        Raises:
            StoreUnavailableError: Redis cannot be reached; the next check does what was left.
        """
        server = self._read_server()
        if self._server is None:
            self._compare_samples()
        elif server != self._server:
            _log.warning("Redis is another server or was started again; the last answers are looked for")
            self._changed_at = self._clock()
            # Other data is no old copy of ours: `dataset_identity_redis` declares that loss, with its own reason.
            self._restore(self._missed_seconds, same_data=server[-1] == self._server[-1])
        elif self._clock() - self._changed_at < _SETTLING_SECONDS:
            self._restore(_SETTLING_SECONDS)
        self._server = server
        self._keep_samples()

    def _read_server(self) -> tuple[str, ...]:
        """Returns what tells this run of this server, and this body of data, from every other."""
        with redis_failures_as_unavailable():
            run, history = self._client.info("server"), self._client.info("replication")
        name = self._data.name(self._server[-1] if self._server else None).name
        return str(run.get("run_id")), str(history.get("master_replid")), name

    def _restore(self, seconds: float, *, same_data: bool = True) -> None:
        answers = self._recent.younger_than(min(seconds, self._missed_seconds))
        missing: list[RecentAnswer] = []
        lost: list[str] = []
        unobserved = 0
        for first in range(0, len(answers), _COMMIT_ROWS):
            part = answers[first : first + _COMMIT_ROWS]
            # The histories of other data are not ours to mend: `backfill` writes them anew, as a whole.
            are_observed = not same_data or self._observe_missing(part)
            known = len(missing)
            report = self._decisions.commit([answer.entry for answer in part], Reply(None, "restored", {}))
            for answer, outcome in zip(part, report.outcomes, strict=True):
                if outcome is CommitOutcome.RECORDED:
                    missing.append(answer)
                elif outcome is not CommitOutcome.REPEATED:
                    lost.append(answer.entry.transaction_id)
            unobserved += 0 if are_observed else len(missing) - known
            if report.doorbells:
                self._send_doorbells(*report.doorbells)
        if missing or lost:
            is_old_copy = same_data and self._is_old_copy(answers, missing)
            self._report(LossReport(len(missing), tuple(lost), is_old_copy=is_old_copy, unobserved=unobserved))

    def _observe_missing(self, answers: Sequence[RecentAnswer]) -> bool:
        """Lets the histories remember the payments of those answers that have no record; returns whether they do."""
        if self._histories is None:
            return True
        with redis_failures_as_unavailable():
            stored = self._client.execute_command(*lookup_command([each.entry.transaction_id for each in answers]))
        payments = [
            Transaction.model_validate(orjson.loads(answer.entry.transaction))
            for answer, record in zip(answers, stored, strict=True)
            if record is None
        ]
        try:
            if payments:
                self._histories.observe(payments)
        except StoreUnavailableError as error:
            # A server that is away fails the commit too, and the next check repeats both.
            _log.error("histories cannot take the payments of lost answers: %s", error)
            return False
        return True

    def _is_old_copy(self, answers: Sequence[RecentAnswer], missing: Sequence[RecentAnswer]) -> bool:
        if any(self._clock() - answer.answered_at > OLD_COPY_SECONDS for answer in missing):
            return True
        return self._recent.is_full and len(missing) == len(answers)

    def _compare_samples(self) -> None:
        """Looks for the records of the samples that the process before this one left."""
        now = SHARED_CLOCK.now()
        samples = [sample for sample in _samples_in(self._file) if 0 <= now - sample.answered_at < self._missed_seconds]
        if not samples:
            return
        # Whether a record is there, not whether it counts: one that another key sealed is not lost.
        with redis_failures_as_unavailable():
            stored = self._client.execute_command(*lookup_command([sample.transaction_id for sample in samples]))
        is_missing = [record is None for record in stored]
        missing = list(compress(samples, is_missing))
        self._file.write([])  # what was reported once is not reported at the next start
        if missing:
            # An old copy lacks all that came after it; an operator deletes single records.
            last = [sample for sample, _ in takewhile(itemgetter(1), zip(samples[::-1], is_missing[::-1], strict=True))]
            self._report(
                LossReport(
                    lost=tuple(sample.transaction_id for sample in missing),
                    is_old_copy=bool(last) and last[0].answered_at - last[-1].answered_at > OLD_COPY_SECONDS,
                )
            )

    def _keep_samples(self) -> None:
        samples = self._recent.samples()
        if samples and samples != self._samples:
            self._file.write([asdict(sample) for sample in samples])
            self._samples = samples

    def _report(self, report: LossReport) -> None:
        _log.critical(
            "Redis had lost answers",
            extra={
                "restored": report.restored,
                "lost": len(report.lost),
                "transaction_ids": report.lost[:_MOST_NAMED],
                "is_old_copy": report.is_old_copy,
                "unobserved": report.unobserved,
            },
        )
        self._on_loss(report)


def _samples_in(file: StateFile) -> list[AnswerSample]:
    try:
        return [AnswerSample(str(item["transaction_id"]), float(item["answered_at"])) for item in file.read() or ()]
    except (TypeError, KeyError, ValueError):
        return []
