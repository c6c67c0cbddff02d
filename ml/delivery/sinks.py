"""The three sinks of the streams: store the explanation, publish the events, apply the label."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import orjson

from ml.delivery.drain import Refusal
from ml.domain.label import Label
from ml.explanation.full_explanation import stored_explanation
from ml.features.families.customer_norm import AMOUNT_RATIO_FEATURE
from ml.stores.decisions.decisions import DecisionReader, DecisionRecord
from ml.stores.explanations.explanations import ExplanationStore
from ml.stores.features.features import AppliedLabel, FeatureStore
from ml.stores.labels.label_seal import LabelSeal
from ml.stores.labels.labels import LabelStore
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.outbox import OutboxEntry, wire_event
from ml.stores.publications.publications import Publication, PublicationLog
from security.errors import MessageRejectedError, SecurityError
from security.messages.message_signer import MessageSigner

SINK_NAMES: Final = {"explain": "mongo", "publish": "kafka", "labels": "labels"}
"""The sink of each consumer group, as the metrics name it."""


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
    """Publishes every decision, and the transaction as it was received; what `seal` does not know is refused."""

    def __init__(self, log: PublicationLog, seal: EventSeal, *, topic_scored: str, topic_raw: str) -> None:
        self._log = log
        self._seal = seal
        self._topic_scored = topic_scored
        self._topic_raw = topic_raw

    def write(self, entries: Sequence[OutboxEntry]) -> list[Refusal]:
        """See `Sink.write`."""
        pairs, refusals = _decode(entries, self._publications, self._seal)
        flat = [publication for _, publications in pairs for publication in publications]
        refused = self._log.publish(flat) if flat else {}
        # Two publications an entry, in order: position // 2 is the entry's place.
        by_entry = {position // 2: found for position, found in refused.items()}
        return refusals + [Refusal.of(pairs[place][0], found) for place, found in by_entry.items()]

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
    the vector it was scored with; without one the feature store computes it from the customer's history. Only the label
    of record reaches the features: an old label that is sent again after its correction changes nothing. `rejected`
    counts the deliveries of labels whose signature does not hold, by reason; they are never applied.
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
        of_record = self._labels.save([label for _, label in labels]) if labels else []
        if of_record:  # none if all of them are older than what is known: labels come in any order
            applied = self._applied(of_record)
            self.unmatched += applied.count(None)
            self._features.apply_labels([label for label in applied if label is not None])
        return refusals

    def _verified_label(self, event: dict[str, Any]) -> Label:
        try:
            return self._seal.open(event)
        except MessageRejectedError as error:
            self.rejected[error.reason] += 1
            raise

    def _applied(self, labels: Sequence[Label]) -> list[AppliedLabel | None]:
        decisions = self._decisions.find_many([label.transaction_id for label in labels])
        # The explanation outlives the decision's record, and it alone holds the vector.
        wanted = [
            label.transaction_id
            for label, decision in zip(labels, decisions, strict=True)
            if decision is None or label.is_fraud
        ]
        explanations = self._explanations.find_many(wanted) if wanted else {}
        return [
            _applied(label, decision, explanations.get(label.transaction_id))
            for label, decision in zip(labels, decisions, strict=True)
        ]


def _applied(label: Label, decision: DecisionRecord | None, explanation: dict[str, Any] | None) -> AppliedLabel | None:
    """Returns a label as the features need it; None if the transaction's customer and terminal are unknown."""
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
        known_at=label.known_at,
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
            is_certain = not isinstance(error, SecurityError)
            refusals.append(Refusal(entry, f"{type(error).__name__}: {error}"[:500], is_certain=is_certain))
    return decoded, refusals
