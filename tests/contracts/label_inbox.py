"""What every label inbox must do."""

import pytest

from ml.domain.label import Label
from ml.stores.labels.label_seal import LabelSeal
from ml.stores.labels.labels import LabelInbox
from ml.stores.outbox.outbox import Outbox, wire_event
from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner

SIGNER = MessageSigner(b"k" * 32)


def label(transaction_id: str) -> Label:
    return Label(transaction_id=transaction_id, label="fraud", source="chargeback", labelled_at=1_000.0)


class LabelInboxContract:
    """Subclasses give an empty `inbox` that seals with SIGNER, and `outbox`: its stream as the group `labels` reads it.

    No doorbell has been sent to the group.
    """

    inbox: LabelInbox
    outbox: Outbox

    def test_accepted_labels_are_read_from_the_stream_in_order(self) -> None:
        self.inbox.accept([(label("t-1"), "corr-0001"), (label("t-2"), "corr-0002")])
        self.inbox.accept([(label("t-3"), "corr-0003")])
        entries = self.outbox.read_new(10)
        assert [entry.transaction_id for entry in entries] == ["t-1", "t-2", "t-3"]
        assert [LabelSeal(SIGNER).open(wire_event(entry.body)) for entry in entries] == [
            label("t-1"),
            label("t-2"),
            label("t-3"),
        ]
        assert [f"corr-000{number}".encode() in entry.body for number, entry in enumerate(entries, start=1)] == [
            True
        ] * 3

    def test_a_label_accepted_twice_is_read_twice(self) -> None:
        for _ in range(2):
            self.inbox.accept([(label("t-1"), "corr-0001")])
        assert [entry.transaction_id for entry in self.outbox.read_new(10)] == ["t-1", "t-1"]

    def test_an_entry_opens_with_the_message_key_alone(self) -> None:
        self.inbox.accept([(label("t-1"), "corr-0001")])
        (entry,) = self.outbox.read_new(10)
        with pytest.raises(MessageRejectedError):
            LabelSeal(MessageSigner(b"o" * 32)).open(wire_event(entry.body))

    def test_asks_for_one_doorbell_until_the_drain_has_cleared_it(self) -> None:
        assert self.inbox.accept([(label("t-1"), "corr-0001")])
        assert not self.inbox.accept([(label("t-2"), "corr-0002")])
        self.outbox.clear_doorbell()
        assert self.inbox.accept([(label("t-3"), "corr-0003")])
