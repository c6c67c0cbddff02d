"""The demo's result: as JSON for machines, as a summary for people."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click
import numpy as np

from ml.domain.decision import Outcome
from ml.training.evaluation import average_precision, roc_auc
from ops.proving.demo.arrivals import Arrivals
from ops.proving.demo.live import LiveTraffic
from ops.proving.demo.tally import Tally
from ops.proving.traffic import percentile

_COLOURS = {Outcome.APPROVE: "green", Outcome.REVIEW: "yellow", Outcome.DECLINE: "red"}
_SHOWN_FRAUDS = 3
_SHOWN_ERRORS = 5
_STEP_WIDTH = 28


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time of the demo's parts: everything before training, training, everything after."""

    setup: float
    train: float
    run: float


@dataclass(frozen=True)
class Report:
    """What `var/demo-report.json` holds; latencies in milliseconds, quality measured on the live answers."""

    answered: int
    stored: int
    published: int
    refused: dict[str, int]
    errors: int
    latency_ms: dict[str, float]
    auc: float | None
    average_precision: float | None
    model_version: str | None
    seconds: Seconds
    decisions: dict[str, int]
    frauds: dict[str, int]
    published_duplicates: int
    retried: int
    data: dict[str, Any]

    @property
    def is_success(self) -> bool:
        """Whether every answered transaction was stored and published, and nothing went wrong."""
        return self.answered == self.stored == self.published > 0 and self.errors == 0

    def wire(self) -> dict[str, Any]:
        """Returns the JSON-ready form."""
        return asdict(self)


def build_report(
    *,
    tally: Tally,
    traffic: LiveTraffic,
    stored: Arrivals,
    published: Arrivals,
    seconds: Seconds,
    data: dict[str, Any],
) -> Report:
    """Returns the report of a finished run."""
    answered = list(tally.decisions.items())
    labels = np.array([traffic.is_fraud[name] for name, _ in answered], np.int8)
    scores = np.array([decision["score"] for _, decision in answered], np.float64)
    has_both = 0 < labels.sum() < len(labels)
    caught = sum(decision["decision"] != Outcome.APPROVE for name, decision in answered if traffic.is_fraud[name])
    versions = Counter(decision["model_version"] for _, decision in answered)
    return Report(
        answered=len(answered),
        stored=stored.distinct,
        published=published.distinct,
        refused=dict(sorted(tally.refused.items())),
        errors=len(tally.errors) + _missed_refusals(tally, traffic),
        latency_ms={name: round(percentile(tally.latencies_ms, share), 2) for name, share in _SHARES.items()}
        if tally.latencies_ms
        else {},
        auc=round(roc_auc(labels, scores), 4) if has_both else None,
        average_precision=round(average_precision(labels, scores), 4) if has_both else None,
        model_version=versions.most_common(1)[0][0] if versions else None,
        seconds=seconds,
        decisions=dict(Counter(decision["decision"] for _, decision in answered)),
        frauds={"scored": int(labels.sum()), "caught": caught},
        published_duplicates=published.duplicates,
        retried=tally.retried,
        data=data,
    )


_SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def _missed_refusals(tally: Tally, traffic: LiveTraffic) -> int:
    """Returns how many requests that had to be refused were not; those with an error are counted there."""
    missing = sum(traffic.expected_refusals.values()) - tally.refused.total()
    return max(0, missing - sum(error.startswith("a request that is") for error in tally.errors))


def summary(
    report: Report,
    *,
    tally: Tally,
    traffic: LiveTraffic,
    urls: Mapping[str, str],
    next_steps: Mapping[str, str],
) -> str:
    """Returns the text a person reads at the end.

    Args:
        report: the run's.
        tally: the outcomes.
        traffic: what was sent.
        urls: where the stack was.
        next_steps: commands and files, and what each shows.
    """
    parts = [
        _verdict(report),
        _section("Decisions by channel", _channels(tally, traffic)),
        _section("Caught", _caught(tally, traffic)),
        _section("Refused", _refusals(report)),
        _section("Latency, from the moment a request was meant to leave", [_latency(report)]),
        _section("Answered = stored = published", _counts(report)),
        _section("Detection", _quality(report)),
    ]
    if tally.errors:
        parts.append(_section("What went wrong", tally.errors[:_SHOWN_ERRORS]))
    parts.append(_section("Where it was", [f"{name:<8}{url}" for name, url in urls.items()]))
    parts.append(_section("Where to look next", _next_steps(next_steps)))
    return "\n".join(parts)


def _section(title: str, lines: Iterable[str]) -> str:
    return click.style(title, bold=True) + "\n" + "".join(f"  {line}\n" for line in lines)


def _verdict(report: Report) -> str:
    if report.is_success:
        text = f"\nAll {report.answered:,} transactions were answered, explained and published.\n"
        return click.style(text, fg="green", bold=True)
    return click.style("\nNot everything went as promised; the sections below say what.\n", fg="red", bold=True)


def _channels(tally: Tally, traffic: LiveTraffic) -> list[str]:
    table: dict[str, Counter[str]] = {}
    for name, decision in tally.decisions.items():
        table.setdefault(traffic.transactions[name].channel, Counter())[decision["decision"]] += 1
    header = f"{'':<10}" + "".join(f"{outcome:>10}" for outcome in Outcome)
    rows = [
        f"{channel:<10}" + "".join(click.style(f"{counts[outcome]:>10,}", fg=_COLOURS[outcome]) for outcome in Outcome)
        for channel, counts in sorted(table.items())
    ]
    return [header, *rows]


def _caught(tally: Tally, traffic: LiveTraffic) -> list[str]:
    """Returns the highest scored true frauds that were not approved, one a customer, each with its reasons."""
    caught: dict[str, dict[str, Any]] = {}
    for name, decision in sorted(tally.decisions.items(), key=lambda item: -item[1]["score"]):
        if traffic.is_fraud[name] and decision["decision"] != Outcome.APPROVE:
            caught.setdefault(traffic.transactions[name].customer_id, decision)
    lines = []
    for decision in list(caught.values())[:_SHOWN_FRAUDS]:
        transaction = traffic.transactions[decision["transaction_id"]]
        word = click.style(decision["decision"], fg=_COLOURS[decision["decision"]], bold=True)
        lines.append(
            f"{word}  score {decision['score']:.3f}  {transaction.amount:,.2f} {transaction.currency} at terminal "
            f"{transaction.terminal_id} by customer {transaction.customer_id}, {transaction.event_time:%a %d %b %H:%M}"
        )
        lines += [f"    {reason['text']}" for reason in decision["reasons"]]
    return lines or ["none of the frauds"]


def _refusals(report: Report) -> list[str]:
    return [f"{count:>5}  {reason}" for reason, count in report.refused.items()] or ["nothing"]


def _latency(report: Report) -> str:
    return "   ".join(f"{name} {value:.1f} ms" for name, value in report.latency_ms.items()) or "nothing was answered"


def _counts(report: Report) -> list[str]:
    lines = [
        f"{report.answered:>7,}  answered by the API",
        f"{report.stored:>7,}  explanations read back from MongoDB",
        f"{report.published:>7,}  decisions consumed from Kafka",
    ]
    if report.published_duplicates:
        lines.append(f"{report.published_duplicates:>7,}  of them published twice (delivery is at least once)")
    if report.retried:
        lines.append(f"{report.retried:>7,}  times a request was sent again because the API was busy")
    return lines


def _quality(report: Report) -> list[str]:
    frauds = report.frauds
    ranked = ""
    if report.auc is not None:
        ranked = f"; ROC AUC {report.auc:.3f}, average precision {report.average_precision:.3f}"
    lines = [f"on these: {frauds['caught']} of {frauds['scored']} frauds declined or sent to review{ranked}"]
    later = report.data.get("after_training", {})
    if {"auc", "average_precision"} <= later.keys():
        lines.append(
            "on all transactions of those days, measured after training: "
            f"ROC AUC {later['auc']:.3f}, average precision {later['average_precision']:.3f}"
        )
    return lines


def _next_steps(steps: Mapping[str, str]) -> list[str]:
    """Returns each step with what it shows beside it, or below it where it is long."""
    return [
        f"{step:<{_STEP_WIDTH}}{shows}" if len(step) < _STEP_WIDTH else f"{step}\n  {'':<{_STEP_WIDTH}}{shows}"
        for step, shows in steps.items()
    ]
