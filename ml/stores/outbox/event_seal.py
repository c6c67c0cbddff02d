"""The seal of an outbox entry: whoever can only write to Redis cannot have anything stored or published."""

from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal, close, split
from settings import Settings


class EventSeal:
    """Seals the events of the outbox; the seal covers the transaction's id and the event."""

    def __init__(self, signer: MessageSigner, *, unsealed_until: float = 0.0) -> None:
        self._seal = StoredSeal(signer, "outbox", unsealed_until=unsealed_until)

    @classmethod
    def from_settings(cls, settings: Settings) -> "EventSeal":
        """Returns the seal of the configured key.

        Raises:
            KeyUnusableError: MESSAGE_KEY is missing or weak.
        """
        return cls(MessageSigner.from_settings(settings), unsealed_until=settings.unsealed_until)

    def close(self, transaction_id: str, event: bytes) -> bytes:
        """Returns an event, a JSON object, with its seal."""
        return close(event, self._seal.sign(transaction_id, event))

    def open(self, transaction_id: str, body: bytes) -> bytes:
        """Returns the event of an entry, without its seal.

        Raises:
            MessageRejectedError: no holder of the key wrote it for this transaction.
        """
        event, seal = split(body)
        self._seal.verify(transaction_id, event, seal)
        return event
