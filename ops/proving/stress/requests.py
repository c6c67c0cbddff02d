"""The load's requests: signed the moment they leave, because signatures age, with tokens that are renewed."""

import json
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from ops.proving.deployment import SCORE_PATH
from ops.stack.api_access import ApiAccess
from security.roles import Role
from security.signatures.request_signatures import sign

_TOKEN_SECONDS, _RENEW_SECONDS = 900, 600.0


class StressRequests:
    """Makes complete HTTP/1.1 requests.

    Args:
        access: the API, and the keys.
        subjects: names of the clients that take turns, each within its own rate limit.
    """

    def __init__(self, access: ApiAccess, subjects: Sequence[str]) -> None:
        self._access = access
        self._subjects = subjects
        self._host = urlsplit(access.url).netloc
        self._key = access.hmac_key
        self._tokens: list[str | None] = []
        self._issued_at = float("-inf")
        self._turn = 0

    def make(self, transaction: dict[str, object], *, age_seconds: int = 0) -> bytes:
        """Returns the request that scores a transaction, signed for so many seconds ago.

        A signature is accepted once, so a request that goes again within its second needs another age.
        """
        body = json.dumps(transaction).encode()
        head = (
            f"POST {SCORE_PATH} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nUser-Agent: shrike-stress\r\n"
        )
        token = self._token()
        if token is not None:
            head += f"Authorization: Bearer {token}\r\n"
        if self._key is not None:
            signed_at = int(time.time()) - age_seconds
            signature = sign(self._key, method="POST", path=SCORE_PATH, timestamp=signed_at, body=body)
            head += f"X-Request-Timestamp: {signed_at}\r\nX-Request-Signature: {signature}\r\n"
        return f"{head}\r\n".encode() + body

    def _token(self) -> str | None:
        if time.monotonic() - self._issued_at > _RENEW_SECONDS:
            self._tokens = [
                self._access.token(subject, [Role.SERVICE], lifetime_seconds=_TOKEN_SECONDS)
                for subject in self._subjects
            ]
            self._issued_at = time.monotonic()
        self._turn += 1
        return self._tokens[self._turn % len(self._tokens)]
