"""The seals of the tests: those of one message key, and a stranger's."""

from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.outbox.event_seal import EventSeal
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from tasks.losses.dataset_name import NameSeal
from tasks.upkeep.queue_status import SIGN_OF_LIFE

MESSAGE_KEY = "test-message-key-uO5vXc8Gq2Lr9TzB"
DECISION_SEAL = DecisionSeal(MessageSigner(MESSAGE_KEY.encode()))
EVENT_SEAL = EventSeal(MessageSigner(MESSAGE_KEY.encode()))
STRANGERS_DECISION_SEAL = DecisionSeal(MessageSigner(b"s" * 32))
STRANGERS_EVENT_SEAL = EventSeal(MessageSigner(b"s" * 32))
NAME_SEAL = NameSeal(MessageSigner(MESSAGE_KEY.encode()), "dataset.name")
STRANGERS_NAME_SEAL = NameSeal(MessageSigner(b"s" * 32), "dataset.name")
SIGN_SEAL = StoredSeal(MessageSigner(MESSAGE_KEY.encode()), SIGN_OF_LIFE)
STRANGERS_SIGN_SEAL = StoredSeal(MessageSigner(b"s" * 32), SIGN_OF_LIFE)
