"""The seal of a decision: whoever can only write to Redis cannot make one up.

The seal covers the transaction's id, its fingerprint and the decision. The fingerprint covers the transaction.
"""

from ml.domain.transaction import fingerprint_of
from ml.stores.decisions.decisions import DecisionRecord
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from settings import Settings


class DecisionSeal:
    """Seals decisions, in their records and in the replies that carry them."""

    def __init__(self, signer: MessageSigner, *, unsealed_until: float = 0.0) -> None:
        self._seal = StoredSeal(signer, "decision", unsealed_until=unsealed_until)

    @classmethod
    def from_settings(cls, settings: Settings) -> "DecisionSeal":
        """Returns the seal of the configured key.

        Raises:
            KeyUnusableError: MESSAGE_KEY is missing or weak.
        """
        return cls(MessageSigner.from_settings(settings), unsealed_until=settings.unsealed_until)

    def sign(self, transaction_id: str, fingerprint: str, decision: bytes) -> str:
        """Returns the seal of a decision, as JSON, about a transaction."""
        return self._seal.sign(transaction_id, fingerprint.encode() + decision)

    def is_valid_record(self, transaction_id: str, record: DecisionRecord) -> bool:
        """Returns whether a record's decision was made by a holder of the key; one that was not is logged.

        It says nothing of the record's transaction; see `holds_its_transaction`.
        """
        return self.is_valid(transaction_id, record.fingerprint, record.decision_json, seal=record.seal)

    def verify_record(self, transaction_id: str, record: DecisionRecord) -> None:
        """Returns if a record's decision was made by a holder of the key.

        Raises:
            MessageRejectedError: it was not.
        """
        self._seal.verify(transaction_id, record.fingerprint.encode() + record.decision_json, record.seal)

    def is_valid(self, transaction_id: str, fingerprint: str, decision: bytes, *, seal: str | None) -> bool:
        """Returns whether the decision was made by a holder of the key; one that was not is logged."""
        return self._seal.is_valid(transaction_id, fingerprint.encode() + decision, seal)


def holds_its_transaction(record: DecisionRecord) -> bool:
    """Returns whether the record's transaction is the one that its sealed fingerprint was taken from."""
    try:
        return fingerprint_of(record.transaction) == record.fingerprint
    except (ValueError, TypeError):
        return False
