"""Admission in Redis: one script call, one round trip, for any number of waiting requests.

The client library may repeat a call whose connection died: the script recognises the call id. Nobody may make the call
anew with another call id: every request of it would count as a replay.

| key | type | TTL |
| --- | --- | --- |
| `admission:replay:<signature digest>` | string | replay window (2 x skew + leeway) |
| `admission:subject:<sub>` | string `<tokens> <epoch ms>` | until the bucket is full |
| `admission:device:<device_id>` | string `<tokens> <epoch ms>` | until the bucket is full |

Fails closed: without Redis a replay looks like a first request, so nothing is admitted.
"""

from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

import redis
from redis.exceptions import RedisError

from security.admission.admission import Admission, AdmissionOutcome, AdmissionPolicy, AdmissionRequest
from security.errors import AdmissionUnavailableError

_SCRIPT = Path(__file__).with_name("admission.lua").read_text(encoding="utf-8")
_NO_KEY = "admission:none"
_OUTCOMES = tuple(AdmissionOutcome)  # the script's numbers 0 to 3 are positions in this order


def replay_key(digest: str | None) -> str:
    """Returns the key that remembers an admitted signature; a placeholder for a request without a signature."""
    return _NO_KEY if digest is None else f"admission:replay:{digest}"


def replay_mark(call_id: str, position: int) -> str:
    """Returns the value of a request's replay key if this call admitted the request, at this position from 0."""
    return f"{call_id}:{position}"


def subject_key(subject: str) -> str:
    """Returns the key of a subject's bucket."""
    return f"admission:subject:{subject}"


def device_key(device_id: str) -> str:
    """Returns the key of a device's bucket."""
    return f"admission:device:{device_id}"


class RedisAdmissionControl:
    """Admission shared by all processes, decided by Redis's clock."""

    def __init__(self, client: redis.Redis, policy: AdmissionPolicy) -> None:
        self._policy = policy
        self._script = client.register_script(_SCRIPT)

    def admit(self, requests: Sequence[AdmissionRequest]) -> list[Admission]:
        """Returns one answer per request; see `AdmissionControl`."""
        if not requests:
            return []
        keys, arguments = self._call(requests)
        try:
            return self.read(requests, self._script(keys=keys, args=arguments))
        except RedisError as error:
            raise AdmissionUnavailableError("replay and rate limits cannot be checked") from error

    def command(self, requests: Sequence[AdmissionRequest], *, call_id: str | None = None) -> tuple[str | int, ...]:
        """Returns the Redis command that decides the requests, for a pipeline that holds other commands too.

        The server must have loaded `script`. A repeated pipeline must repeat this very command. `call_id` must be
        unique; a caller passes its own to know the marks that the call leaves.
        """
        keys, arguments = self._call(requests, call_id)
        return ("EVALSHA", self._script.sha, len(keys), *keys, *arguments)

    @property
    def script(self) -> str:
        """The source of the script that `command` names."""
        return str(self._script.script)

    def read(self, requests: Sequence[AdmissionRequest], reply: Sequence[int]) -> list[Admission]:
        """Returns the answers in the reply to the requests' `command`."""
        return [
            self._policy.describe(
                request,
                _OUTCOMES[reply[at]],
                subject_tokens=reply[at + 1] / 1000,
                device_tokens=reply[at + 2] / 1000,
            )
            for request, at in zip(requests, range(0, len(reply), 3), strict=True)
        ]

    def _call(
        self, requests: Sequence[AdmissionRequest], call_id: str | None = None
    ) -> tuple[list[str], list[str | int]]:
        keys: list[str] = []
        arguments: list[str | int] = [self._policy.replay_seconds * 1000, call_id or token_hex(8)]
        for request in requests:
            subject, device = self._policy.subject_bucket(request), self._policy.device_bucket(request)
            keys += (
                replay_key(request.replay_key),
                subject_key(request.subject) if subject.capacity else _NO_KEY,
                device_key(request.device_id) if device.capacity and request.device_id is not None else _NO_KEY,
            )
            arguments += (request.cost, subject.capacity, str(subject.tokens_per_millisecond))
            arguments += (device.capacity, str(device.tokens_per_millisecond))
        return keys, arguments
