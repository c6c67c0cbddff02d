"""A label as the label stream holds it: JSON with a `payload`, which is JSON itself, and the payload's `signature`."""

from collections.abc import Mapping
from typing import Any

import orjson

from ml.domain.label import Label
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal


class LabelSeal:
    """Seals labels: write access to Redis alone cannot put false labels into the features."""

    def __init__(self, signer: MessageSigner) -> None:
        self._seal = Seal(signer, "labels.apply")

    def close(self, label: Label, correlation_id: str) -> bytes:
        """Returns the stream's event of a label."""
        payload = orjson.dumps({"label": label.wire(), "correlation_id": correlation_id}).decode()
        return orjson.dumps({"payload": payload, "signature": self._seal.sign(label.transaction_id, payload)})

    def open(self, event: Mapping[str, Any]) -> Label:
        """Returns the label of an event.

        Raises:
            MessageRejectedError: it was not written with the message key.
            KeyError, TypeError, ValueError: it is malformed.
        """
        payload = event["payload"]
        label = Label.model_validate(orjson.loads(payload)["label"])
        self._seal.verify(label.transaction_id, payload, seal=event.get("signature"))
        return label
