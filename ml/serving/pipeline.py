"""The scoring path: features, model, decision, record; one call per batch, whatever its size."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ml.domain.decision import Breakdown, Decision
from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ResultStatus, ScoringBatch, ScoringRequest, Undecided
from ml.explanation.findings import Findings, findings
from ml.explanation.reasons import top_reasons
from ml.policy.safe_mode_rules import SafeModeRules
from ml.stores.decisions.decisions import CommitOutcome, CommitReport, DecisionStore, NewDecision, Reply
from ml.stores.features.features import FeatureStore, PartlyObservedError

if TYPE_CHECKING:
    # A web process imports the scoring task to address it, and has no onnxruntime.
    from ml.explanation.scores import ModelScores
    from ml.features.kernel import FeatureMatrix
    from ml.serving.runtime import ScoringModel


_MADE = frozenset({CommitOutcome.RECORDED, CommitOutcome.UNRECORDED})

_HISTORIES_SHARE = 0.5
"""Share of the time left that a batch waits for its histories; the rest is for the model, the commit and the reply."""


class ModelSlot:
    """The place a scoring process keeps its model in; a swap is one assignment, seen by the next batch."""

    def __init__(self, model: "ScoringModel | None" = None) -> None:
        self.current = model


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The result of scoring one batch, for metrics and logs.

    Attributes:
        decisions: those that this batch made, in its order.
        channels, correlation_ids: the channel and the request's id of each of these decisions.
        undecided: how many requests ended without being decided, by status.
        commit: what the commit recorded; None if the batch expired as a whole.
        recorded: the decisions that it recorded now, as they were recorded.
        queue_ms, features_ms, model_ms: the batch's timings.
    """

    decisions: tuple[Decision, ...] = ()
    channels: tuple[str, ...] = ()
    correlation_ids: tuple[str, ...] = ()
    undecided: Counter[ResultStatus] = field(default_factory=Counter)
    commit: CommitReport | None = None
    recorded: tuple[NewDecision, ...] = ()
    queue_ms: float = 0.0
    features_ms: float = 0.0
    model_ms: float = 0.0

    def outcomes(self) -> Counter[str]:
        """Returns how many requests ended how; a repeated decision counts as `replayed`, not `scored`."""
        counts = Counter({status.value: count for status, count in self.undecided.items()})
        if self.commit is not None:
            committed = Counter(self.commit.outcomes)
            counts += Counter(
                scored=sum(committed[outcome] for outcome in _MADE),
                replayed=committed[CommitOutcome.REPEATED],
                conflict=committed[CommitOutcome.CONFLICT],
                overloaded=committed[CommitOutcome.OVERLOADED],
                untrusted=committed[CommitOutcome.UNTRUSTED],
            )
        return +counts


class ScoringPipeline:
    """Scores batches: one per scoring process.

    Args:
        features: the online feature store.
        decisions: where decisions are recorded and answered.
        slot: holds the model; an empty slot answers `safe_mode`.
        safe_mode: returns the reason for SAFE MODE, or None when scoring is allowed.
        rules: decide while SAFE MODE is on; without them nothing is decided then.
        unrecorded: answers batches that ask for no record; without it they are recorded like all others, so that
            sender and scoring process must both be in PERF_MODE for a decision to leave no record.
        now_ms: the clock that deadlines and times of decisions go by, epoch milliseconds.

    Attributes:
        waits_for_store: whether a store is being asked right now; each such wait has a bound of its own.
    """

    def __init__(
        self,
        *,
        features: FeatureStore,
        decisions: DecisionStore,
        slot: ModelSlot,
        safe_mode: Callable[[], str | None],
        rules: SafeModeRules | None = None,
        unrecorded: DecisionStore | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._features = features
        self._decisions = decisions
        self._slot = slot
        self._safe_mode = safe_mode
        self._rules = rules
        self._unrecorded = unrecorded or decisions
        self._now_ms = now_ms
        self.waits_for_store = False

    def score(self, batch: ScoringBatch) -> BatchReport:
        """Decides every request of a batch and answers the waiting process.

        A batch whose deadline has passed is dropped without any work: no caller waits for it any more, and its retry is
        safe. Retries are answered by the web process; one that overtook its first copy is scored once more here, counts
        nothing in the features, which recognise the transaction, and gets the answer that was committed first.
        A transaction whose histories do not answer is refused; those beside it are decided.

        Raises:
            StoreUnavailableError: Redis cannot be reached; nothing was answered.
        """
        now_ms = self._now_ms()
        queue_ms = float(max(0, now_ms - batch.sent_ms))
        if now_ms >= batch.deadline_ms:
            return BatchReport(undecided=Counter({ResultStatus.EXPIRED: len(batch.requests)}), queue_ms=queue_ms)
        model, blocked = self._slot.current, self._safe_mode()
        if blocked is not None and self._rules is not None:
            decided = self._decide_by_rules(self._observe(batch, now_ms), self._rules)
        elif model is None or blocked is not None:
            return self._refuse(batch, blocked or "no model is loaded", queue_ms)
        else:
            decided = self._decide(self._observe(batch, now_ms), model)
        entries = [answer.entry for answer in decided.answers]
        timings = {"queue_ms": queue_ms, "features_ms": decided.features_ms, "model_ms": decided.model_ms}
        commit = self._commit(batch, entries, timings)
        made = [
            (answer.decision, request)
            for answer, request, outcome in zip(decided.answers, batch.requests, commit.outcomes, strict=True)
            if answer.decision is not None and outcome in _MADE
        ]
        return BatchReport(
            decisions=tuple(decision for decision, _ in made),
            channels=tuple(request.transaction.channel for _, request in made),
            correlation_ids=tuple(request.correlation_id for _, request in made),
            undecided=Counter(entry.status for entry in entries if isinstance(entry, Undecided)),
            commit=commit,
            recorded=tuple(
                entry
                for entry, outcome in zip(entries, commit.outcomes, strict=True)
                if outcome is CommitOutcome.RECORDED and isinstance(entry, NewDecision)
            ),
            **timings,
        )

    def _commit(
        self, batch: ScoringBatch, entries: Sequence[NewDecision | Undecided], timings: dict[str, float]
    ) -> CommitReport:
        store = self._decisions if batch.recorded else self._unrecorded
        self.waits_for_store = True
        try:
            return store.commit(entries, Reply(batch.reply_to, batch.batch_id, timings))
        finally:
            self.waits_for_store = False

    def _observe(self, batch: ScoringBatch, now_ms: int) -> "_Observed":
        """Returns the features of a batch, or of the part whose histories answer in time."""
        started = time.perf_counter()
        transactions = [request.transaction for request in batch.requests]
        within_seconds = _HISTORIES_SHARE * (batch.deadline_ms - now_ms) / 1000
        rows: Sequence[int] | None = None
        matrix: FeatureMatrix | None
        self.waits_for_store = True
        try:
            matrix = self._features.observe(transactions, within_seconds=within_seconds)
        except PartlyObservedError as error:
            rows, matrix = error.rows, error.matrix
        except StoreUnavailableError:
            if self._now_ms() >= batch.deadline_ms:
                raise  # nobody waits for a refusal any more
            rows, matrix = (), None
        finally:
            self.waits_for_store = False
        observed = batch.requests if rows is None else [batch.requests[row] for row in rows]
        seconds = time.perf_counter() - started
        return _Observed(observed, matrix, rows, size=len(transactions), features_ms=round(seconds * 1000, 3))

    def _refuse(self, batch: ScoringBatch, reason: str, queue_ms: float) -> BatchReport:
        refusals = [Undecided(ResultStatus.SAFE_MODE, reason) for _ in batch.requests]
        commit = self._commit(batch, refusals, {"queue_ms": queue_ms})
        return BatchReport(undecided=Counter({ResultStatus.SAFE_MODE: len(refusals)}), commit=commit, queue_ms=queue_ms)

    def _decide(self, observed: "_Observed", model: "ScoringModel") -> "_Decided":
        matrix = observed.matrix
        if matrix is None:
            return observed.decided([], model_ms=0.0)
        started = time.perf_counter()
        scores = model.predict(matrix.vectors, matrix.sequences)
        scored_at = _text(self._now_ms())
        rows = zip(
            observed.requests, findings(matrix, scores), _rounded(scores.score), _breakdowns(scores), strict=True
        )
        answers = [
            _answer(request, model, found, score=score, parts=parts, scored_at=scored_at)
            for request, found, score, parts in rows
        ]
        return observed.decided(answers, model_ms=round((time.perf_counter() - started) * 1000, 3))

    def _decide_by_rules(self, observed: "_Observed", rules: SafeModeRules) -> "_Decided":
        # The rules do not look at the features, but the histories must know these transactions when the model is back.
        scored_at = _text(self._now_ms())
        answers = [_Answer(*rules.entry(request, scored_at=scored_at)) for request in observed.requests]
        return observed.decided(answers, model_ms=0.0)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to one request: an entry to commit and, unless scoring it failed, the decision in it."""

    entry: NewDecision | Undecided
    decision: Decision | None = None


_UNOBSERVED = _Answer(Undecided(ResultStatus.UNAVAILABLE))


@dataclass(frozen=True, slots=True)
class _Decided:
    answers: Sequence[_Answer]
    features_ms: float
    model_ms: float


@dataclass(frozen=True, slots=True)
class _Observed:
    """The requests of a batch whose histories answered, with their features; the matrix is None if there are none.

    `rows` are their places in the batch, None if all answered; `size` is the batch's.
    """

    requests: Sequence[ScoringRequest]
    matrix: "FeatureMatrix | None"
    rows: Sequence[int] | None
    size: int
    features_ms: float

    def decided(self, answers: Sequence[_Answer], *, model_ms: float) -> _Decided:
        """Returns the whole batch's answers, given those of the observed requests."""
        if self.rows is not None:
            found = dict(zip(self.rows, answers, strict=True))
            answers = [found.get(row, _UNOBSERVED) for row in range(self.size)]
        return _Decided(answers, self.features_ms, model_ms)


def _answer(
    request: ScoringRequest, model: "ScoringModel", found: Findings, *, score: float, parts: Breakdown, scored_at: str
) -> _Answer:
    if not 0.0 <= score <= 1.0:  # NaN included: a value that is no probability never becomes a decision
        return _Answer(Undecided(ResultStatus.FAILED, "the model's score is no probability"))
    decision = Decision(
        transaction_id=request.transaction.transaction_id,
        decision=model.thresholds.decide(score),
        score=score,
        threshold=model.thresholds,
        breakdown=parts,
        reasons=top_reasons(found, parts, epoch_seconds=request.transaction.epoch_seconds),
        model_version=model.version,
        scored_at=scored_at,
    )
    facts = {"findings": found.wire(), "model": {"version": model.version, "hash": model.manifest_hash}}
    return _Answer(_record(request, decision, facts), decision)


def _text(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _breakdowns(scores: "ModelScores") -> Iterator[Breakdown]:
    columns = (scores.tabular, scores.anomaly, scores.autoencoder, scores.sequence)
    return (Breakdown(*row) for row in zip(*map(_rounded, columns), strict=True))


def _rounded(probabilities: NDArray[np.float32]) -> list[float]:
    """Returns probabilities with the digits that a record keeps; float32 has no more."""
    return [round(value, 9) for value in probabilities.tolist()]


def _record(request: ScoringRequest, decision: Decision, facts: Mapping[str, Any]) -> NewDecision:
    transaction, answer = orjson.dumps(request.transaction.wire()), orjson.dumps(decision)
    event = {
        "transaction": orjson.Fragment(transaction),
        "decision": orjson.Fragment(answer),
        "fingerprint": request.fingerprint,
        "correlation_id": request.correlation_id,
        **facts,
    }
    return NewDecision(
        transaction_id=decision.transaction_id,
        fingerprint=request.fingerprint,
        decision=answer,
        transaction=transaction,
        event=orjson.dumps(event, option=orjson.OPT_SERIALIZE_NUMPY),
    )
