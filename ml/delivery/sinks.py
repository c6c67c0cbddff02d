"""The three sinks of the streams: store the explanation, publish the events, apply the label."""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import Any, Final, TypeVar

import orjson

from ml.delivery.drain import Refusal
from ml.domain.label import Label
from ml.explanation.full_explanation import stored_explanation
from ml.features.families.customer_norm import AMOUNT_RATIO_FEATURE
from ml.stores.decisions.decisions import DecisionReader, DecisionRecord, PartlyReadError
from ml.stores.explanations.explanations import ExplanationStore
from ml.stores.features.features import AppliedLabel, FeatureStore, PartlyAppliedError
from ml.stores.labels.label_seal import LabelSeal
from ml.stores.labels.labels import LabelStore, RecordedLabel
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.outbox import OutboxEntry, wire_event
from ml.stores.publications.publications import Publication, PublicationLog
from ml.stores.refused import Refused
from security.errors import MessageRejectedError, SecurityError
from security.messages.message_signer import MessageSigner

SINK_NAMES: Final = {"explain": "mongo", "publish": "kafka", "labels": "labels"}
"""The sink of each consumer group, as the metrics name it."""

_MOST_HALVES = 100_000
"""As many entries as an outbox of the default size holds: of more, both events are published again."""

_MOST_CORRECTIONS = 5
"""How often labels that others keep changing meanwhile are applied anew; whoever changes them last applies them too."""


class ExplanationSink:
    """Stores the full explanation of every decision; an entry that `seal` does not know is refused."""

    def __init__(self, store: ExplanationStore, seal: EventSeal) -> None:
        self._store = store
        self._seal = seal

    def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
        """See `Sink.write`."""
        records, refusals = _decode(entries, explanation_record, self._seal)
        refused = self._store.save([record for _, record in records]) if records else {}
        return refusals + [
            Refusal.of(entry, refused[record["transaction_id"]])
            for entry, record in records
            if record["transaction_id"] in refused
        ]


class PublicationSink:
    """Publishes every decision, and the transaction as it was received; what `seal` does not know is refused.

    Of an entry of which one event was taken and the other was not, only the other is published again by this process.
    """

    def __init__(self, log: PublicationLog, seal: EventSeal, *, topic_scored: str, topic_raw: str) -> None:
        self._log = log
        self._seal = seal
        self._topic_scored = topic_scored
        self._topic_raw = topic_raw
        self._half: dict[str, None] = {}

    def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
        """See `Sink.write`."""
        pairs, refusals = _decode(entries, self._publications, self._seal)
        owed = [(entry, event) for entry, events in pairs for event in events if event.event_id not in self._half]
        refused = self._log.publish([event for _, event in owed]) if owed else {}
        by_entry: dict[str, tuple[OutboxEntry, Refused]] = {}
        for position, found in sorted(refused.items()):
            entry, _ = owed[position]
            # What is deferred comes first: the entry must not be given up before its other event is out.
            if entry.entry_id not in by_entry or found.is_deferred:
                by_entry[entry.entry_id] = (entry, found)
        taken = {event.event_id for position, (_, event) in enumerate(owed) if position not in refused}
        for entry, events in pairs:
            self._remember(events, taken if entry.entry_id in by_entry else None)
        return refusals + [Refusal.of(entry, found) for entry, found in by_entry.values()]

    def _remember(self, events: Sequence[Publication], taken: Container[str] | None) -> None:
        """Remembers which events of an entry were taken; forgets them once the entry is done (None)."""
        for event in events:
            if taken is None:
                self._half.pop(event.event_id, None)
            elif event.event_id in taken:
                self._half[event.event_id] = None
        while len(self._half) > _MOST_HALVES:
            del self._half[next(iter(self._half))]

    def _publications(self, event: dict[str, Any]) -> tuple[Publication, Publication]:
        transaction, decision = event["transaction"], event["decision"]
        key, correlation_id = transaction["customer_id"], event["correlation_id"]
        transaction_id = transaction["transaction_id"]
        scored = {"customer_id": key, "channel": transaction["channel"], **decision, "correlation_id": correlation_id}
        return (
            Publication(self._topic_scored, key, orjson.dumps(scored), f"{transaction_id}:scored", correlation_id),
            Publication(self._topic_raw, key, orjson.dumps(transaction), f"{transaction_id}:raw", correlation_id),
        )


class LabelSink:
    """Stores labels and applies them to the features of the transactions they confirm.

    Customer and terminal come from the transaction's record; without one, from the label. A label without either is
    stored for retraining and counted in `unmatched`. The ratio of a fraud's amount to its customer's norm comes from
    the vector it was scored with; without one the feature store computes it from the customer's history. Whatever label
    is delivered, the one of record reaches the features: order and repetition change nothing, also if several workers
    apply labels of one transaction at the same time. Labels that depend on a server that does not answer are deferred,
    the others are applied. `rejected` counts the deliveries of labels whose signature does not hold, by reason; they
    are never applied.
    """

    def __init__(
        self,
        *,
        signer: MessageSigner,
        labels: LabelStore,
        features: FeatureStore,
        decisions: DecisionReader,
        explanations: ExplanationStore,
    ) -> None:
        self._seal = LabelSeal(signer)
        self._labels = labels
        self._features = features
        self._decisions = decisions
        self._explanations = explanations
        self.unmatched = 0
        self.rejected: Counter[str] = Counter()

    def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
        """See `Sink.write`."""
        labels, refusals = _decode(entries, self._verified_label)
        recorded = self._labels.save([label for _, label in labels]) if labels else []
        deferred: dict[str, str] = {}
        for _ in range(_MOST_CORRECTIONS):
            deferred |= self._apply(recorded)
            recorded = self._changed_since(recorded)
            if not recorded:
                break
        return refusals + [
            Refusal(entry, deferred[label.transaction_id], is_deferred=True)
            for entry, label in labels
            if label.transaction_id in deferred
        ]

    def _changed_since(self, recorded: Sequence[RecordedLabel]) -> list[RecordedLabel]:
        """Returns what another worker has recorded meanwhile: it may have applied that before, and not after, us."""
        now = self._labels.find_many([each.label.transaction_id for each in recorded]) if recorded else {}
        return [known for each in recorded if (known := now.get(each.label.transaction_id, each)) != each]

    def _verified_label(self, event: dict[str, Any]) -> Label:
        try:
            return self._seal.open(event)
        except MessageRejectedError as error:
            self.rejected[error.reason] += 1
            raise

    def _apply(self, recorded: Sequence[RecordedLabel]) -> dict[str, str]:
        """Applies labels; returns the reason for each, by id, that cannot be applied now and can later."""
        if not recorded:
            return {}
        records, unread = self._records([each.label.transaction_id for each in recorded])
        # The explanation outlives the decision's record, and it alone holds the vector.
        wanted = [
            each.label.transaction_id
            for each, record in zip(recorded, records, strict=True)
            if record is None or each.label.is_fraud
        ]
        explanations = self._explanations.find_many(wanted) if wanted else {}
        applied: list[AppliedLabel] = []
        deferred: dict[str, str] = {}
        for each, record in zip(recorded, records, strict=True):
            name = each.label.transaction_id
            label = _applied(each, record, explanations.get(name))
            if label is not None:
                applied.append(label)
            elif name in unread:
                deferred[name] = unread[name]
            else:
                self.unmatched += 1
        return deferred | self._set(applied)

    def _records(self, transaction_ids: Sequence[str]) -> tuple[Sequence[DecisionRecord | None], dict[str, str]]:
        """Returns the decision records, and the reason for each, by id, that could not be read."""
        try:
            return self._decisions.find_many(transaction_ids), {}
        except PartlyReadError as error:
            return error.records, dict.fromkeys(error.unread, str(error))

    def _set(self, labels: Sequence[AppliedLabel]) -> dict[str, str]:
        try:
            self._features.apply_labels(labels)
        except PartlyAppliedError as error:
            return {labels[place].transaction_id: str(error) for place in error.missing}
        return {}


def _applied(
    recorded: RecordedLabel, decision: DecisionRecord | None, explanation: dict[str, Any] | None
) -> AppliedLabel | None:
    """Returns a label as the features need it; None if the transaction's customer and terminal are unknown."""
    label = recorded.label
    places: dict[str, Any] = {"customer_id": label.customer_id, "terminal_id": label.terminal_id}
    if decision is not None:
        places = decision.transaction
    elif explanation is not None:
        places = explanation["transaction"]
    if places["customer_id"] is None:
        return None
    findings = None if explanation is None else explanation["explanation"]
    return AppliedLabel(
        transaction_id=label.transaction_id,
        customer_id=places["customer_id"],
        terminal_id=places["terminal_id"],
        is_fraud=label.is_fraud,
        known_at=recorded.known_at,
        amount_ratio=None if findings is None or not label.is_fraud else findings["vector"].get(AMOUNT_RATIO_FEATURE),
    )


def explanation_record(event: dict[str, Any]) -> dict[str, Any]:
    """Returns the stored form of an outbox event: the decision, its transaction and everything behind it.

    Raises:
        KeyError, ValueError: the event is malformed.
    """
    transaction, decision = event["transaction"], event["decision"]
    return {
        **decision,
        "customer_id": transaction["customer_id"],
        "correlation_id": event["correlation_id"],
        "fingerprint": event["fingerprint"],
        "transaction": transaction,
        "model": event["model"],
        # A repaired event has lost its findings; its decision stands without the explanation.
        "explanation": stored_explanation(event["findings"], epoch_seconds=int(transaction["timestamp"]))
        if "findings" in event
        else None,
    }


_Decoded = TypeVar("_Decoded")


def _decode(
    entries: Sequence[OutboxEntry], decode: Callable[[dict[str, Any]], _Decoded], seal: EventSeal | None = None
) -> tuple[list[tuple[OutboxEntry, _Decoded]], list[Refusal]]:
    """Decodes the entries; a malformed or altered one is refused, so that it never stops the others.

    Labels carry a seal of their own, which `decode` verifies.
    """
    decoded, refusals = [], []
    for entry in entries:
        try:
            body = entry.body if seal is None else seal.open(entry.transaction_id, entry.body)
            decoded.append((entry, decode(wire_event(body))))
        except (KeyError, TypeError, ValueError, SecurityError) as error:
            # A seal that does not hold may be this worker's own fault: then it holds for none, after a change of keys.
            is_seal = isinstance(error, SecurityError)
            reason = f"{type(error).__name__}: {error}"[:500]
            refusals.append(Refusal(entry, reason, is_certain=not is_seal, is_seal=is_seal))
    return decoded, refusals
