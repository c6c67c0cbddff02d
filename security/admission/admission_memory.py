"""Admission in this process's memory: the same rules as `admission.lua`, for tests and single-process tools."""

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
        self._replays: dict[str, float] = {}
        self._levels: dict[tuple[str, str], _Level] = {}

    def admit(self, requests: Sequence[AdmissionRequest]) -> list[Admission]:
        """Returns one answer per request; see `AdmissionControl`."""
        with self._lock:
            now = self._clock()
            self._replays = {key: until for key, until in self._replays.items() if until > now}
            return [self._decide(request, now) for request in requests]

    def _decide(self, request: AdmissionRequest, now: float) -> Admission:
        subject, device = self._policy.subject_bucket(request), self._policy.device_bucket(request)
        subject_key, device_key = ("subject", request.subject), ("device", request.device_id or "")
        subject_tokens = self._tokens(subject_key, subject, now)
        device_tokens = self._tokens(device_key, device, now)
        if request.replay_key in self._replays:
            outcome = AdmissionOutcome.REPLAYED
        elif subject.capacity and subject_tokens + _EPSILON < min(request.cost, subject.capacity):
            outcome = AdmissionOutcome.LIMITED_SUBJECT
        elif device.capacity and device_tokens + _EPSILON < min(request.cost, device.capacity):
            outcome = AdmissionOutcome.LIMITED_DEVICE
        else:
            outcome = AdmissionOutcome.ADMITTED
            subject_tokens, device_tokens = subject_tokens - request.cost, device_tokens - request.cost
            self._levels[subject_key] = _Level(subject_tokens, now)
            self._levels[device_key] = _Level(device_tokens, now)
            if request.replay_key is not None:
                self._replays[request.replay_key] = now + self._policy.replay_seconds
        return self._policy.describe(request, outcome, subject_tokens=subject_tokens, device_tokens=device_tokens)

    def _tokens(self, key: tuple[str, str], bucket: Bucket, now: float) -> float:
        level = self._levels.get(key)
        if level is None or level.at - now > 1.0 or (not bucket.refill_per_minute and now - level.at > DAY_SECONDS):
            return bucket.capacity
        refilled = max(0.0, now - level.at) / 60 * bucket.refill_per_minute
        return min(bucket.capacity, level.tokens + refilled)
