"""The seals of the tests: those of one message key, and a stranger's."""

from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.outbox.event_seal import EventSeal
from security.messages.message_signer import MessageSigner
from tasks.losses.dataset_name import NameSeal

MESSAGE_KEY = "test-message-key-uO5vXc8Gq2Lr9TzB"
DECISION_SEAL = DecisionSeal(MessageSigner(MESSAGE_KEY.encode()))
EVENT_SEAL = EventSeal(MessageSigner(MESSAGE_KEY.encode()))
STRANGERS_DECISION_SEAL = DecisionSeal(MessageSigner(b"s" * 32))
STRANGERS_EVENT_SEAL = EventSeal(MessageSigner(b"s" * 32))
NAME_SEAL = NameSeal(MessageSigner(MESSAGE_KEY.encode()), "dataset.name")
STRANGERS_NAME_SEAL = NameSeal(MessageSigner(b"s" * 32), "dataset.name")
