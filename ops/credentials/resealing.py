"""The end of a rotation of the message key: what is kept for ever is sealed anew, and what still waits is counted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import DecisionRecord
from ml.stores.labels.label_inbox_redis import LABELS
from ml.stores.labels.label_seal import LabelSeal
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.keys_redis import OUTBOX, dead_letter_key
from ml.stores.outbox.outbox import SINKS
from ops.credentials.sealed_entries_redis import SealCounts, Verify, count_entries
from ops.credentials.sealed_records_redis import RecordCount, VerifyRecord, count_records
from ops.errors import OpsError
from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from security.safe_mode.safe_mode import ALTERED
from settings import ScoringTopology, Settings
from tasks.upkeep.queue_status import SIGN_OF_LIFE, live_names
from tasks.wiring.connections import Connections
from tasks.wiring.losses import loss_reports, named_data
from tasks.wiring.stores import accepted_version, safe_mode_store


@dataclass(frozen=True, slots=True)
class Resealing:
    """What was sealed anew, and how many entries neither key or only the previous one sealed, by where they are.

    `records` counts the decision records, by where they are.
    """

    renewed: tuple[str, ...] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    strange: Mapping[str, int] = field(default_factory=dict)
    records: Mapping[str, RecordCount] = field(default_factory=dict)


def reseal(connections: Connections) -> Resealing:
    """Seals the SAFE MODE record and the last accepted version with the present key, and counts what else waits.

    Raises:
        StoreUnavailableError: a server does not answer.
        SafeModeUnavailableError: the SAFE MODE record can neither be read nor set.
        ArtifactError: the last accepted version is sealed by neither key.
        OpsError: there is no previous key, the SAFE MODE record is sealed by neither, or a live worker still signs
            with the previous one; nothing was sealed anew.
    """
    _require_two_keys(connections.settings)
    if safe_mode_store(connections).read() == ALTERED:
        raise OpsError(
            "Neither MESSAGE_KEY nor MESSAGE_PREVIOUS_KEY has sealed the SAFE MODE record: is MESSAGE_PREVIOUS_KEY the "
            "key that was used before?"
        )
    _require_changed_workers(connections)
    renewals = {
        "the SAFE MODE record": safe_mode_store(connections).renew,
        "the last accepted model version": accepted_version(connections).renew,
        **_names(connections),
    }
    renewed = tuple(name for name, renew in renewals.items() if renew())
    counts = dict(_counts(connections))
    return Resealing(
        renewed,
        {place: count.previous for place, count in counts.items() if count.previous},
        {place: count.neither for place, count in counts.items() if count.neither},
        dict(_records(connections)),
    )


def _require_two_keys(settings: Settings) -> None:
    """Refuses a shell that has not the settings of the rotation: it would find nothing, and that reads as the end."""
    previous = settings.message_previous_key
    if previous is None or previous == settings.message_key:
        raise OpsError(
            "Set MESSAGE_KEY to the new key and MESSAGE_PREVIOUS_KEY to the old one, as for every process: otherwise "
            "nobody can tell what the old key sealed."
        )


def _require_changed_workers(connections: Connections) -> None:
    """Refuses while a live worker signs with the previous key: it may know that key alone.

    To such a process what is sealed anew is a stranger's, and it would put all scoring into SAFE MODE.
    """
    either, current = (StoredSeal(signer, SIGN_OF_LIFE) for signer in _signers(connections.settings))

    def is_by_previous(name: str, sign: bytes, given: str) -> bool:
        return _holds(either, name, (sign, given)) and not _holds(current, name, (sign, given))

    if names := live_names(connections.redis(), is_by_previous):
        raise OpsError(
            f"Nothing was sealed anew: with MESSAGE_PREVIOUS_KEY as their key still run {', '.join(names)}. Take steps "
            "1 and 2 of docs/key-rotation.md first, for these, and for the API and beat, which give no sign of life."
        )


def _holds(seal: StoredSeal, name: str, sign: tuple[bytes, str]) -> bool:
    try:
        seal.verify(name, *sign)
    except MessageRejectedError:
        return False
    return True


def _names(connections: Connections) -> dict[str, Callable[[], bool]]:
    """Returns what seals anew the names of the data and the notes of losses, on the shared server and every shard."""
    renewals: dict[str, Callable[[], bool]] = {}
    for name, place in {"": connections, **dict(_places(connections))}.items():
        for server, data in named_data(place).items():
            renewals[f"the name of the data ({server}{name})"] = data.renew
        for server, note in loss_reports(place).items():
            renewals[f"the note of a loss ({server}{name})"] = note.renew
    return renewals


def _counts(connections: Connections) -> Iterator[tuple[str, SealCounts]]:
    settings = connections.settings
    labels = _verifiers(settings, _opens_label)
    shared = connections.redis()
    yield "labels", count_entries(shared, LABELS, **labels)
    yield "labels given up", count_entries(shared, dead_letter_key("labels"), **labels)
    events = _verifiers(settings, _opens_event)
    for name, place in _places(connections):
        client = place.redis(place.settings.delivery_url)
        yield f"outbox entries{name}", count_entries(client, OUTBOX, **events)
        for sink in SINKS:
            yield f"outbox entries given up by {sink}{name}", count_entries(client, dead_letter_key(sink), **events)


def _records(connections: Connections) -> Iterator[tuple[str, RecordCount]]:
    either, current = _signers(connections.settings)
    for name, place in _places(connections):
        client = place.redis(place.settings.delivery_url)
        count = count_records(client, by_current=_opens_record(current), by_either=_opens_record(either))
        if count.previous or not count.is_whole:
            yield f"decision records{name}", count


def _places(connections: Connections) -> Iterator[tuple[str, Connections]]:
    topology = ScoringTopology.from_settings(connections.settings)
    places = [connections.of(own) for own in topology.shards.values()] if topology.is_sharded else [connections]
    for place in places:
        yield f" of shard {place.settings.shard}" if place.settings.shard else "", place


def _signers(settings: Settings) -> tuple[MessageSigner, MessageSigner]:
    """Returns who verifies with either key, and who with the present one alone."""
    either = MessageSigner.from_settings(settings)
    return either, MessageSigner.from_settings(settings.model_copy(update={"message_previous_key": None}))


def _opens_record(signer: MessageSigner) -> VerifyRecord:
    seal = DecisionSeal(signer)

    def opens(transaction_id: str, record: DecisionRecord) -> bool:
        try:
            seal.verify_record(transaction_id, record)
        except MessageRejectedError:
            return False
        return True

    return opens


def _verifiers(settings: Settings, opens: Callable[[MessageSigner, str, bytes], bool]) -> dict[str, Verify]:
    either, current = _signers(settings)
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
