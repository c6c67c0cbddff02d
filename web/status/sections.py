"""From what was observed to what the status page says: every rule of what counts as not well stands here.

A part that cannot be observed says so; the others stay.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ml.registry.registry import VersionInfo
from ml.stores.outbox.outbox import Lag
from observability.worker_figures import PSI_SCORE, PSI_WORST
from security.safe_mode.safe_mode import SafeModeState
from settings.queues import QUEUES
from tasks.upkeep.queue_status import QueueStatus, ShardStatus, WorkerStatus
from web.status.overview import Finding, Level, Overview, Row, Section, span
from web.status.samples import Window

_SLOW_SECONDS: Final = 0.060
"""The contract's alert on p95 of a single decision."""
_FAILED_SHARE: Final = 0.01
_LEAST_ANSWERS: Final = 20
"""Fewer say nothing of a share or of a percentile."""
_LATE_ENTRY_SECONDS: Final = 60.0
_LATE_MESSAGE_SECONDS: Final = {"score": 1.0}
_LATE_ELSEWHERE_SECONDS: Final = 60.0
"""Of a queue beside scoring; a training holds its own up for longer, which is no fault."""
_DRIFTED: Final = 0.25
"""PSI from which a distribution counts as another one, by the usual rule of thumb."""
_UNREACHABLE = "Redis does not answer: queues, workers and streams cannot be seen, and nothing is scored."
_SINKS: Final = {
    "explain": "MongoDB or the explain worker",
    "publish": "Kafka or the publish worker",
    "labels": "MongoDB, Redis or the labels worker",
}
_BREAKERS = ("closed", "half open", "open")


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen at one moment; None stands for what could not be.

    Attributes:
        at: epoch seconds.
        window: what the API answered lately.
        own_model: the version that this web process scores with itself, if it does.
        breakers: 0 closed, 1 half open, 2 open, by what they guard; the highest of this host's processes.
        rules_decide: whether the rules score while SAFE MODE is on.
        perf_mode: whether decisions are kept nowhere.
    """

    at: float
    window: Window
    safe_mode: SafeModeState
    rules_decide: bool
    perf_mode: bool
    breakers: Mapping[str, float]
    workers: Sequence[WorkerStatus] | None = None
    queues: Sequence[QueueStatus] | None = None
    shards: Sequence[ShardStatus] = ()
    lags: Mapping[str, Lag] | None = None
    versions: Sequence[VersionInfo] | None = None
    own_model: str | None = None
    scores_itself: bool = False


@dataclass
class _Notebook:
    """Collects findings while the sections are written."""

    findings: list[Finding] = field(default_factory=list)

    def bad(self, sentence: str) -> Level:
        """Notes what stops scoring."""
        self.findings.append(Finding(Level.BAD, sentence))
        return Level.BAD

    def warn(self, sentence: str) -> Level:
        """Notes what does not, yet."""
        self.findings.append(Finding(Level.WARN, sentence))
        return Level.WARN


def overview(seen: Observed) -> Overview:
    """Returns what the page says of what was seen."""
    notes = _Notebook()
    sections = [
        Section("Scoring", list(_scoring(seen, notes))),
        _traffic(seen.window, notes),
        Section("Queues", list(_queues(seen, notes)), "messages waiting, and how long the oldest has"),
        Section("Workers", list(_workers(seen, notes)), "alive within the last 5 s"),
        Section("Delivery", list(_delivery(seen, notes)), "answers that a sink has not acknowledged"),
        Section("Circuit breakers", list(_breakers(seen, notes)), "of this host's API"),
        Section("Model", list(_model(seen, notes))),
    ]
    worst_first = sorted(notes.findings, key=lambda finding: finding.level is not Level.BAD)
    return Overview(seen.at, worst_first, sections)


def _scoring(seen: Observed, notes: _Notebook) -> Iterator[Row]:
    state = seen.safe_mode
    if state.enabled:
        cause = f"since {state.since or 'an unknown time'}, by {state.by or 'nobody known'}: {state.reason}"
        text = f"SAFE MODE has been on {cause}"
        level = notes.warn(f"{text} Rules decide.") if seen.rules_decide else notes.bad(text)
        yield Row("SAFE MODE", "on", level)
    else:
        yield Row("SAFE MODE", "off", Level.OK)
    if seen.workers is None:
        yield Row("Redis", "does not answer", notes.bad(_UNREACHABLE))
        return
    yield Row("Redis", "answers and takes writes", Level.OK)
    for shard in seen.shards:
        level = Level.OK if shard.reachable else notes.warn(f"Shard {shard.shard} does not answer.")
        yield Row(f"shard {shard.shard}", "reachable" if shard.reachable else "does not answer", level)
    if seen.shards and not any(shard.reachable for shard in seen.shards):
        notes.bad("No shard answers: nothing is scored.")
    if seen.perf_mode:
        yield Row("PERF_MODE", "on", notes.warn("PERF_MODE is on: no decision is kept."))


def _traffic(window: Window, notes: _Notebook) -> Section:
    total = sum(window.answers.values())
    failed = sum(count for status, count in window.answers.items() if status >= "500")
    refused = sum(count for status, count in window.answers.items() if "400" <= status < "500")
    rows = [Row("scoring requests", _rate(total, window.seconds))]
    level = Level.OK
    if total >= _LEAST_ANSWERS and failed / total > _FAILED_SHARE:
        level = notes.warn(f"{failed / total:.1%} of the scoring requests were answered with 5xx.")
    rows.append(Row("answered with 5xx", f"{failed:,.0f}" + _share(failed, total), level))
    rows.append(Row("refused with 4xx", f"{refused:,.0f}" + _share(refused, total)))
    for share in (0.5, 0.95, 0.99):
        seconds = window.percentile_seconds(share)
        level = Level.INFO
        if share == 0.95 and seconds is not None:
            is_slow = total >= _LEAST_ANSWERS and seconds > _SLOW_SECONDS
            sentence = f"p95 of scoring is {seconds * 1000:.0f} ms, above {_SLOW_SECONDS * 1000:.0f} ms."
            level = notes.warn(sentence) if is_slow else Level.OK
        rows.append(Row(f"latency p{share * 100:.0f}", "-" if seconds is None else f"{seconds * 1000:.1f} ms", level))
    decided = sum(window.decisions.values())
    rows += [
        Row(f"decision {kind}", f"{count:,.0f}" + _share(count, decided))
        for kind, count in sorted(window.decisions.items())
    ]
    since = "since the start" if window.seconds is None else f"of the last {span(window.seconds)}"
    return Section("Traffic", rows, f"{since}; requests of this host's API, decisions of all workers")


def _queues(seen: Observed, notes: _Notebook) -> Iterator[Row]:
    if seen.queues is None:
        yield Row("queues", "cannot be seen", Level.BAD)
        return
    named = [(queue.queue, queue) for queue in seen.queues]
    named += [(f"{queue.queue} of {shard.shard}", queue) for shard in seen.shards for queue in shard.queues]
    for name, queue in named:
        level, waiting = Level.OK, f"{queue.depth:,} waiting"
        if queue.oldest_seconds is not None:
            waiting += f", oldest {span(queue.oldest_seconds)}"
            late = _LATE_MESSAGE_SECONDS.get(queue.queue, _LATE_ELSEWHERE_SECONDS)
            if queue.oldest_seconds > late and not (queue.queue == "retrain" and queue.consumers):
                level = notes.warn(f"The oldest message in the queue {name} has waited {span(queue.oldest_seconds)}.")
        yield Row(name, waiting, level)


def _workers(seen: Observed, notes: _Notebook) -> Iterator[Row]:
    if seen.workers is None:
        yield Row("workers", "cannot be seen", Level.BAD)
        return
    for queue in QUEUES:
        own = [worker for worker in seen.workers if worker.queue == queue]
        if queue == "score":
            yield _score_workers(seen, own, notes)
        elif own:
            yield Row(queue, f"{len(own)}, for {_youngest(seen, own)}", Level.OK)
        else:
            yield Row(queue, "none", notes.warn(f"No {queue} worker is alive."))


def _score_workers(seen: Observed, own: Sequence[WorkerStatus], notes: _Notebook) -> Row:
    if seen.scores_itself:
        level = Level.OK if seen.own_model else notes.bad("This API scores by itself and has no model loaded.")
        return Row("score", f"the API itself, model {seen.own_model or 'none'}", level)
    if not own:
        return Row("score", "none", notes.bad("No score worker is alive: nothing is scored."))
    versions = Counter(worker.model_version or "no model" for worker in own)
    level = Level.OK
    if set(versions) == {"no model"}:
        level = notes.bad("No score worker has a model loaded: nothing is scored.")
    elif len(versions) > 1:
        level = notes.warn(f"Score workers serve different models: {', '.join(sorted(versions))}.")
    ill = sorted({worker.histories for worker in own if worker.histories})
    if all(worker.is_blind for worker in own):
        level = notes.bad("No score worker reads any history: nothing is scored.")
    elif ill:
        level = notes.warn(f"Histories: {'; '.join(ill)}")
    models = ", ".join(f"{count} with {version}" for version, count in sorted(versions.items()))
    return Row("score", f"{models}, for {_youngest(seen, own)}", level)


def _youngest(seen: Observed, workers: Sequence[WorkerStatus]) -> str:
    return span(max(0.0, seen.at - max(worker.started_at for worker in workers)))


def _delivery(seen: Observed, notes: _Notebook) -> Iterator[Row]:
    if seen.lags is None:
        yield Row("streams", "cannot be seen", Level.BAD)
        return
    lags = list(seen.lags.items())
    lags += [(f"{sink} of {shard.shard}", lag) for shard in seen.shards for sink, lag in shard.outbox.items()]
    for name, lag in lags:
        level, text = Level.OK, f"{lag.entries:,} waiting"
        if lag.entries:
            text += f", oldest {span(lag.oldest_seconds)}"
        if lag.oldest_seconds > _LATE_ENTRY_SECONDS:
            who = _SINKS.get(name.split(" ", 1)[0], "its sink")
            level = notes.warn(
                f"{name}: the oldest of {lag.entries:,} entries has waited {span(lag.oldest_seconds)}; {who} does "
                "not keep up or is away."
            )
        if lag.dead_letters:
            text += f", {lag.dead_letters:,} dead letters"
            level = notes.warn(
                f"{name} has {lag.dead_letters:,} dead letters: `python -m ops outbox dead-letters` shows why."
            )
        yield Row(name, text, level)


def _breakers(seen: Observed, notes: _Notebook) -> Iterator[Row]:
    for dependency, value in sorted(seen.breakers.items()):
        state = _BREAKERS[min(max(int(value), 0), 2)]
        level = Level.OK
        if value:
            sentence = f"The circuit breaker of {dependency} is {state}."
            stops = dependency in {"redis", "scoring"}
            level = notes.bad(sentence) if stops and value > 1 else notes.warn(sentence)
        yield Row(dependency, state, level)
    if not seen.breakers:
        yield Row("all", "closed, none was ever opened", Level.OK)


def _model(seen: Observed, notes: _Notebook) -> Iterator[Row]:
    if seen.versions is None:
        yield Row("registry", "cannot be read here", notes.warn("The model registry cannot be read by this API."))
    elif not seen.versions:
        yield Row("registry", "no version", Level.INFO)
    else:
        champion = next((info.version for info in seen.versions if "champion" in info.aliases), None)
        yield Row("champion", champion or "none")
        newest = max(seen.versions, key=lambda info: info.created_at)
        age = max(0.0, seen.at - newest.created_at.timestamp())
        yield Row("last training", f"{span(age)} ago: {newest.version}")
    yield from _drift(seen, notes)


def _drift(seen: Observed, notes: _Notebook) -> Iterator[Row]:
    found = [worker.figures for worker in seen.workers or () if PSI_SCORE in worker.figures]
    if not found:
        yield Row("drift", "not checked since the retrain worker started")
        return
    for name, key in (("scores", PSI_SCORE), ("worst feature", PSI_WORST)):
        index = max(figures.get(key, 0.0) for figures in found)
        level = Level.OK
        if index > _DRIFTED:
            level = notes.warn(f"Drift: PSI of the {name} is {index:.2f}, above {_DRIFTED}.")
        yield Row(f"drift of the {name}", f"PSI {index:.3f}", level)


def _rate(count: float, seconds: float | None) -> str:
    return f"{count:,.0f}" if not seconds else f"{count / seconds:,.1f} per second"


def _share(count: float, total: float) -> str:
    return f" ({count / total:.1%})" if total else ""
