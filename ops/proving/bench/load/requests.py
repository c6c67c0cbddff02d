"""The benchmark's requests: signed, unique, and the same transactions for every path."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml.domain.transaction import Transaction
from security.signatures.request_signatures import sign

SCORE_PATH = "/predictions/score"
BATCH_PATH = "/predictions/score/batch"
SUBJECT = "bench"


@dataclass(frozen=True, slots=True)
class Signer:
    """A client's token and key."""

    token: str
    hmac_key: bytes

    def request(self, path: str, body: bytes) -> bytes:
        """Returns one complete HTTP/1.1 POST, signed for the present second."""
        timestamp = int(time.time())
        signature = sign(self.hmac_key, method="POST", path=path, timestamp=timestamp, body=body)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nAuthorization: Bearer {self.token}\r\n"
            f"X-Request-Timestamp: {timestamp}\r\nX-Request-Signature: {signature}\r\n\r\n"
        )
        return head.encode() + body


class TransactionSupply:
    """Hands out transactions that no path has seen, again and again from the same days.

    Each hand-out names its transactions anew, so that none is a repetition. After the last one it begins again with
    the first, moved on in time, so that time always goes forward.
    """

    def __init__(self, transactions: Sequence[Transaction], *, span_seconds: int) -> None:
        if not transactions:
            raise ValueError("the supply needs transactions")
        self._transactions = transactions
        self._span_seconds = span_seconds
        self._handed_out = 0

    def take(self, count: int, *, name: str) -> list[Transaction]:
        """Returns the next transactions, their ids prefixed with `name`."""
        return [self._number(self._handed_out + position, name) for position in range(count)]

    def advance(self, count: int) -> None:
        """Moves on, once every path has had its turn with the same transactions."""
        self._handed_out += count

    def _number(self, number: int, name: str) -> Transaction:
        laps, place = divmod(number, len(self._transactions))
        original = self._transactions[place]
        changes = {"transaction_id": f"{name}-{number}", "timestamp": original.timestamp + laps * self._span_seconds}
        return original.model_copy(update=changes)


def single_requests(signer: Signer, transactions: Sequence[Transaction]) -> list[bytes]:
    """Returns one scoring request per transaction."""
    return [signer.request(SCORE_PATH, json.dumps(transaction.wire()).encode()) for transaction in transactions]


def batch_requests(signer: Signer, transactions: Sequence[Transaction], *, rows: int) -> list[bytes]:
    """Returns batch requests of `rows` transactions each."""
    return [
        signer.request(BATCH_PATH, json.dumps({"transactions": [item.wire() for item in part]}).encode())
        for part in _parts(transactions, rows)
    ]


def _parts(transactions: Sequence[Transaction], rows: int) -> Iterator[Sequence[Transaction]]:
    for start in range(0, len(transactions), rows):
        yield transactions[start : start + rows]
