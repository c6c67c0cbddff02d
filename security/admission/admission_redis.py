"""Admission in Redis: one script call, one round trip, for any number of waiting requests.

The client library may repeat a call whose connection died: the script recognises the call id. Nobody may make the call
anew with another call id: every request of it would count as a replay.

| key | type | TTL |
| --- | --- | --- |
| `admission:replay:<signature digest>:<sub>` | string | replay window (2 x skew + leeway) |
| `admission:limits:<sub>` | string `<requests> <transactions> <epoch ms>` | until both buckets are full |
| `admission:device:<device_id>` | string `<tokens> <epoch ms>` | until the bucket is full |

The digest tells keys and requests apart, the subject tells callers apart that share a key: none uses up a signature
of the other. One string holds both buckets of a subject, so that a request reads and writes it once.

Fails closed: without Redis a replay looks like a first request, so nothing is admitted.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from secrets import token_hex

import redis
from redis.exceptions import RedisError

from security.admission.admission import Admission, AdmissionOutcome, AdmissionPolicy, AdmissionRequest, Left
from security.errors import AdmissionUnavailableError

_SCRIPT = Path(__file__).with_name("admission.lua").read_text(encoding="utf-8")
_NO_KEY = "admission:none"
_OUTCOMES = tuple(AdmissionOutcome)  # the script's numbers 0 to 4 are positions in this order


def replay_key(digest: str | None, subject: str) -> str:
    """Returns the key that remembers an admitted signature; a placeholder for a request without a signature."""
    return _NO_KEY if digest is None else f"admission:replay:{digest}:{subject}"


def replay_mark(call_id: str, position: int) -> str:
    """Returns the value of a request's replay key if this call admitted the request, at this position from 0."""
    return f"{call_id}:{position}"


def limits_key(subject: str) -> str:
    """Returns the key of a subject's buckets."""
    return f"admission:limits:{subject}"


def device_key(device_id: str) -> str:
    """Returns the key of a device's bucket."""
    return f"admission:device:{device_id}"


class RedisAdmissionControl:
    """Admission shared by all processes, decided by Redis's clock."""

    def __init__(self, client: redis.Redis, policy: AdmissionPolicy) -> None:
        self._policy = policy
        self._head = (str(policy.replay_seconds * 1000), *policy.device.script_arguments)
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
        numbers = iter(reply)
        return [self._read_one(request, numbers) for request in requests]

    def _read_one(self, request: AdmissionRequest, numbers: Iterator[int]) -> Admission:
        outcome = _OUTCOMES[next(numbers)]
        requests, transactions, device = next(numbers) / 1000, next(numbers) / 1000, next(numbers) / 1000
        if not request.load.is_batch:
            return self._policy.describe(request, outcome, left=Left(requests, transactions, device))
        shortages = {}
        for name in self._limiting(request):
            admitted, tokens = next(numbers), next(numbers) / 1000
            shortage = self._policy.shortage(request.load.devices[name], admitted, tokens=tokens)
            if shortage is not None and outcome is AdmissionOutcome.ADMITTED:
                shortages[name] = shortage
        return self._policy.describe(request, outcome, left=Left(requests, transactions, device, shortages))

    def _limiting(self, request: AdmissionRequest) -> Collection[str]:
        """Returns the devices of a request that have a bucket."""
        return request.load.devices if self._policy.device.capacity else ()

    def _call(
        self, requests: Sequence[AdmissionRequest], call_id: str | None = None
    ) -> tuple[list[str], list[str | int]]:
        keys: list[str] = []
        window, *device = self._head
        arguments: list[str | int] = [window, call_id or token_hex(8), *device]
        for request in requests:
            limits, devices = self._policy.limits(request), self._limiting(request)
            is_limited = limits.requests.capacity or limits.transactions.capacity
            keys += (
                replay_key(request.replay_key, request.subject),
                limits_key(request.subject) if is_limited else _NO_KEY,
            )
            arguments += limits.script_arguments
            arguments += (request.load.transactions, int(request.load.is_batch), len(devices))
            if devices:
                keys += map(device_key, devices)
                arguments += request.load.devices.values()
        return keys, arguments
