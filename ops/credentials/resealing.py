"""The end of a rotation of the message key: what is kept for ever is sealed anew, and what still waits is counted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from ml.stores.labels.label_inbox_redis import LABELS
from ml.stores.labels.label_seal import LabelSeal
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.keys_redis import OUTBOX, dead_letter_key
from ml.stores.outbox.outbox import SINKS
from ops.credentials.sealed_entries_redis import Verify, count_entries
from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from settings import ScoringTopology, Settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import accepted_version, safe_mode_store


@dataclass(frozen=True, slots=True)
class Resealing:
    """What was sealed anew, and how many entries wait under the previous key, by where they are."""

    renewed: tuple[str, ...] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)


def reseal(connections: Connections) -> Resealing:
    """Seals the SAFE MODE record and the last accepted version with the present key, and counts what else waits.

    Raises:
        StoreUnavailableError: a server does not answer.
        SafeModeUnavailableError: the SAFE MODE record can neither be read nor set.
        ArtifactError: the last accepted version is sealed by neither key.
    """
    renewals = {
        "the SAFE MODE record": safe_mode_store(connections).renew,
        "the last accepted model version": accepted_version(connections).renew,
    }
    renewed = tuple(name for name, renew in renewals.items() if renew())
    return Resealing(renewed, {place: count for place, count in _waiting(connections) if count})


def _waiting(connections: Connections) -> Iterator[tuple[str, int]]:
    settings = connections.settings
    labels = _verifiers(settings, _opens_label)
    shared = connections.redis()
    yield "labels", count_entries(shared, LABELS, **labels)
    yield "labels given up", count_entries(shared, dead_letter_key("labels"), **labels)
    events = _verifiers(settings, _opens_event)
    topology = ScoringTopology.from_settings(settings)
    places = [connections.of(own) for own in topology.shards.values()] if topology.is_sharded else [connections]
    for place in places:
        name = f" of shard {place.settings.shard}" if place.settings.shard else ""
        client = place.redis(place.settings.delivery_url)
        yield f"outbox entries{name}", count_entries(client, OUTBOX, **events)
        for sink in SINKS:
            yield f"outbox entries given up by {sink}{name}", count_entries(client, dead_letter_key(sink), **events)


def _verifiers(settings: Settings, opens: Callable[[MessageSigner, str, bytes], bool]) -> dict[str, Verify]:
    either = MessageSigner.from_settings(settings)
    current = MessageSigner.from_settings(settings.model_copy(update={"message_previous_key": None}))
    return {
        "by_current": lambda transaction_id, content: opens(current, transaction_id, content),
        "by_either": lambda transaction_id, content: opens(either, transaction_id, content),
    }


def _opens_label(signer: MessageSigner, _transaction_id: str, content: bytes) -> bool:
    try:
        LabelSeal(signer).open(orjson.loads(content))
    except (MessageRejectedError, KeyError, TypeError, ValueError):
        return False
    return True


def _opens_event(signer: MessageSigner, transaction_id: str, content: bytes) -> bool:
    try:
        EventSeal(signer).open(transaction_id, content)
    except MessageRejectedError:
        return False
    return True
