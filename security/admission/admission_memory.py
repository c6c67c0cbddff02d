"""Admission in this process's memory: the same rules as `admission.lua`, for tests and single-process tools."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from security.admission.admission import (
    DAY_SECONDS,
    Admission,
    AdmissionOutcome,
    AdmissionPolicy,
    AdmissionRequest,
    Bucket,
    DeviceShortage,
    Left,
)

_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class _Level:
    """Tokens in a bucket at a moment, epoch seconds."""

    tokens: float
    at: float


class MemoryAdmissionControl:
    """Admission for one process. Grows with the number of subjects and devices it has seen."""

    def __init__(self, policy: AdmissionPolicy, *, clock: Callable[[], float] = time.time) -> None:
        self._policy = policy
        self._clock = clock
        self._lock = Lock()
        self._replays: dict[tuple[str | None, str], float] = {}
        self._levels: dict[tuple[str, str], _Level] = {}

    def admit(self, requests: Sequence[AdmissionRequest]) -> list[Admission]:
        """Returns one answer per request; see `AdmissionControl`."""
        with self._lock:
            now = self._clock()
            self._replays = {key: until for key, until in self._replays.items() if until > now}
            return [self._decide(request, now) for request in requests]

    def _decide(self, request: AdmissionRequest, now: float) -> Admission:
        limits, replay_key = self._policy.limits(request), (request.replay_key, request.subject)
        requests_key, transactions_key = ("requests", request.subject), ("transactions", request.subject)
        requests = self._tokens(requests_key, limits.requests, now)
        transactions = self._tokens(transactions_key, limits.transactions, now)
        device_key = None if request.load.is_batch else next((("device", name) for name in request.load.devices), None)
        device = 0.0 if device_key is None else self._tokens(device_key, self._policy.device, now)
        if replay_key in self._replays:
            outcome = AdmissionOutcome.REPLAYED
        elif _lacks(requests, 1, limits.requests):
            outcome = AdmissionOutcome.LIMITED_SUBJECT
        elif _lacks(transactions, request.load.transactions, limits.transactions):
            outcome = AdmissionOutcome.LIMITED_TRANSACTIONS
        elif device_key is not None and _lacks(device, 1, self._policy.device):
            outcome = AdmissionOutcome.LIMITED_DEVICE
        else:
            outcome = AdmissionOutcome.ADMITTED
            requests, transactions, device = requests - 1, transactions - request.load.transactions, device - 1
            self._levels[requests_key] = _Level(requests, now)
            self._levels[transactions_key] = _Level(transactions, now)
            if device_key is not None:
                self._levels[device_key] = _Level(device, now)
            if request.replay_key is not None:
                self._replays[replay_key] = now + self._policy.replay_seconds
        short = outcome is AdmissionOutcome.ADMITTED and request.load.is_batch and self._policy.device.capacity > 0
        shortages = self._take_from_devices(request, now) if short else {}
        return self._policy.describe(request, outcome, left=Left(requests, transactions, device, shortages))

    def _take_from_devices(self, request: AdmissionRequest, now: float) -> dict[str, DeviceShortage]:
        """Takes what each device of a batch has, and returns those that lack some."""
        shortages = {}
        for name, asked in request.load.devices.items():
            tokens = self._tokens(("device", name), self._policy.device, now)
            admitted = min(asked, max(0, math.floor(tokens + _EPSILON)))
            self._levels["device", name] = _Level(tokens - admitted, now)
            shortage = self._policy.shortage(asked, admitted, tokens=tokens - admitted)
            if shortage is not None:
                shortages[name] = shortage
        return shortages

    def _tokens(self, key: tuple[str, str], bucket: Bucket, now: float) -> float:
        level = self._levels.get(key)
        if level is None or level.at - now > 1.0 or (not bucket.refill_per_minute and now - level.at > DAY_SECONDS):
            return bucket.capacity
        refilled = max(0.0, now - level.at) / 60 * bucket.refill_per_minute
        return min(bucket.capacity, level.tokens + refilled)


def _lacks(tokens: float, cost: int, bucket: Bucket) -> bool:
    return bucket.capacity > 0 and tokens + _EPSILON < min(cost, bucket.capacity)
