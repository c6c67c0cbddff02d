"""Compares the client's ledger with the sinks, and counts what a trial has cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ops.errors import StackError
from ops.proving.chaos.clients.ledger import Fate, Ledger, Sent, now
from ops.proving.chaos.clients.steady import attempt
from ops.proving.chaos.evidence.sinks import Evidence
from ops.proving.chaos.fault import Fault, Struck, Trial
from ops.proving.chaos.platform.stack import ChaosStack, wait_for

_ASKED_AGAIN = 25
_RECORD_SECONDS = 240.0
"""A soak keeps records for five minutes only; what is older would be decided anew."""
_DELIVERED_SECONDS = 120.0
_SEEN_SECONDS = 20.0
_FEW = 5


def hung_seconds(stack: ChaosStack) -> float:
    """Returns how long a request may wait: two deadlines, of admission and decision; a busy machine adds to it."""
    return 2 * stack.score_timeout_seconds + 5.0


def wait_until_delivered(stack: ChaosStack, evidence: Evidence, ledger: Ledger) -> list[str]:
    """Waits until the drains have delivered everything and the consumer has read it; returns what went wrong."""
    acknowledged = [sent.transaction_id for sent in ledger.of(Fate.ACKNOWLEDGED)]
    try:
        stack.wait_ready()
        wait_for(lambda: evidence.undelivered() == 0, _DELIVERED_SECONDS, "an empty outbox")
    except StackError as error:
        return [str(error)]
    with suppress(StackError):  # missing events are counted as lost
        wait_for(lambda: all(map(evidence.is_published, acknowledged)), _SEEN_SECONDS, "the events")
    return []


def count(fault: Fault, struck: Struck, *, stack: ChaosStack, evidence: Evidence, ledger: Ledger) -> Trial:
    """Returns the counts of a trial whose outbox is delivered, and everything that breaks a promise."""
    acknowledged = ledger.of(Fate.ACKNOWLEDGED)
    ids = [sent.transaction_id for sent in ledger.all()]
    stored = evidence.stored(ids)
    missing = [sent for sent in acknowledged if not _has_arrived(sent, evidence, stored)]
    trial = Trial(
        runs=1,
        acknowledged=len(acknowledged),
        lost=len(missing),
        duplicated=sum(max(0, evidence.published_times(name) - 1) for name in ids),
        mongo_duplicates=evidence.mongo_duplicates(ids),
        unknown=len(ledger.of(Fate.UNKNOWN)),
        failed_first=len(ledger.failed_first()),
        recovery_seconds=max(ledger.recovery_seconds(struck.healed_at), struck.recovered_seconds),
        notes=[struck.note] if struck.note else [],
        problems=list(struck.problems),
        delays=list(struck.delays),
    )
    _ask_again(stack, acknowledged)
    changed = differing(acknowledged, stored)
    if fault.may_lose:
        trial.notes += changed  # what is lost is decided anew when it is asked for again
    else:
        trial.problems += changed
    trial.problems += broken_promises(fault, trial, ledger)
    trial.delays += delays(fault, trial, ledger, bound_seconds=hung_seconds(stack))
    if evidence.published.strange_keys:
        trial.problems.append(f"{evidence.published.strange_keys} events came twice under different keys")
    return trial


def _has_arrived(sent: Sent, evidence: Evidence, stored: Mapping[str, Mapping[str, Any]]) -> bool:
    return sent.transaction_id in stored and evidence.is_published(sent.transaction_id)


def _ask_again(stack: ChaosStack, acknowledged: Sequence[Sent]) -> None:
    """Sends some answered transactions once more, those first that were sent more than once already."""
    recent = [sent for sent in acknowledged if sent.body and now() - sent.attempts[0].started_at < _RECORD_SECONDS]
    eager = sorted(recent, key=lambda sent: -len(sent.attempts))[:_ASKED_AGAIN]
    with stack.client() as client:
        for sent in eager:
            attempt(client, sent)


def broken_promises(fault: Fault, trial: Trial, ledger: Ledger) -> list[str]:
    """Returns the promises that hold for every fault, however busy the machine, and did not hold in this trial."""
    refused = Counter(f"{sent.attempts[-1].status} {sent.attempts[-1].problem}" for sent in ledger.of(Fate.REFUSED))
    return _texts(
        (trial.acknowledged == 0, "nothing was answered"),
        (trial.lost and not fault.may_lose, f"{trial.lost} answered transactions are lost"),
        (trial.mongo_duplicates, f"{trial.mongo_duplicates} documents are duplicates"),
        (refused, f"refused for good: {dict(refused)}"),
    )


def delays(fault: Fault, trial: Trial, ledger: Ledger, *, bound_seconds: float) -> list[str]:
    """Returns what failed for a while or came too late; a machine that is busy with something else can do that too.

    Where the fault does not say how long a request may wait, `bound_seconds` does.
    """
    attempts = ledger.attempts()
    bound = fault.hung_seconds or bound_seconds
    slow = [one for one in attempts if one.seconds > bound]
    silent = sum(one.status is None for one in attempts)
    return _texts(
        (trial.unknown, f"{trial.unknown} transactions never got a decision; their last attempts: {_last(ledger)}"),
        (slow, f"{len(slow)} requests waited longer than {bound:g} s"),
        (silent and not fault.may_break_connections, f"{silent} requests ended without an answer"),
        (
            fault.recovery_seconds is None and trial.failed_first,
            f"{trial.failed_first} requests failed and none should: {_kinds(ledger)}",
        ),
        (
            fault.recovery_seconds is not None and trial.recovery_seconds > fault.recovery_seconds,
            f"requests failed for {trial.recovery_seconds:.1f} s after the cause was gone",
        ),
    )


def _texts(*findings: tuple[object, str]) -> list[str]:
    return [text for is_so, text in findings if is_so]


def _last(ledger: Ledger) -> dict[str, int]:
    """Returns how the last attempts at transactions of unknown fate ended, and how long after their arrival."""
    kinds = Counter(
        f"{last.status} {last.problem} after {last.started_at - sent.attempts[0].started_at:.0f} s"
        for sent in ledger.of(Fate.UNKNOWN)
        if (last := sent.attempts[-1])
    )
    return dict(kinds.most_common(_FEW))


def _kinds(ledger: Ledger) -> dict[str, int]:
    kinds = Counter(f"{sent.attempts[0].status} {sent.attempts[0].problem}" for sent in ledger.failed_first())
    return dict(kinds.most_common(_FEW))


def differing(acknowledged: Sequence[Sent], stored: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every answer to one transaction must be the same decision, and the stored one too."""
    answers = {
        sent.transaction_id: {(answer["decision"], answer["score"], answer["scored_at"]) for answer in sent.answers}
        for sent in acknowledged
    }
    several = sum(len(found) > 1 for found in answers.values())
    other = sum(
        (stored[name]["decision"], stored[name]["score"]) not in {(decision, score) for decision, score, _ in found}
        for name, found in answers.items()
        if name in stored
    )
    problems = []
    if several:
        problems.append(f"{several} transactions got different answers")
    if other:
        problems.append(f"{other} transactions are stored with another decision than was answered")
    return problems
