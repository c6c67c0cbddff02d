"""Admission: refuses replayed requests, and requests above the rate limit of their subject or device.

Requests are decided in order: replay first, then the subject's bucket, then the device's. A replayed request takes no
token. A limited request takes none either and its signature stays usable, so the client may wait and send the very
same request again while its timestamp is fresh.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self

from settings import Settings


class AdmissionOutcome(StrEnum):
    """Whether a request is admitted, or why not."""

    ADMITTED = "admitted"
    REPLAYED = "replayed"
    LIMITED_SUBJECT = "limited_subject"
    LIMITED_DEVICE = "limited_device"


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One request that asks to be admitted.

    Attributes:
        subject: the caller's JWT subject.
        replay_key: the digest of the verified signature; None if the caller's identity comes without one.
        device_id: the transaction's device, if it names one.
        cost: tokens the request takes. One above a bucket's capacity needs a full bucket and leaves it in debt.
    """

    subject: str
    replay_key: str | None
    device_id: str | None = None
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to one request, with the bucket's figures for the rate limit headers.

    Attributes:
        outcome: admitted, or why not.
        limit: capacity of the bucket; None if no limit applies.
        remaining: whole tokens left; None if no limit applies.
        retry_after_seconds: at least 1 for a limited request, else 0.
        reset_seconds: until the bucket is full again.
    """

    outcome: AdmissionOutcome
    limit: int | None = None
    remaining: int | None = None
    retry_after_seconds: int = 0
    reset_seconds: int = 0

    @property
    def admitted(self) -> bool:
        """Whether the request may go on."""
        return self.outcome is AdmissionOutcome.ADMITTED


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket's size and refill. A capacity of 0 means no limit."""

    capacity: int
    refill_per_minute: float

    @property
    def tokens_per_millisecond(self) -> float:
        """The refill, in the stores' unit."""
        return self.refill_per_minute / 60_000

    def seconds_until(self, missing: float) -> int:
        """Returns whole seconds until `missing` tokens have come back, at most a day."""
        if missing <= 0:
            return 0
        if self.refill_per_minute <= 0:
            return DAY_SECONDS
        return min(DAY_SECONDS, math.ceil(missing / self.refill_per_minute * 60))


DAY_SECONDS = 86_400
UNLIMITED = Bucket(capacity=0, refill_per_minute=0)


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """Which buckets and which replay window apply.

    Attributes:
        subject: every subject's bucket without an override.
        device: every device's bucket.
        overrides: buckets of particular subjects.
        replay_seconds: how long a signature is remembered. Source: 2 x skew + leeway, the longest time between the
            first and the last moment at which one timestamp is acceptable, and a margin.
    """

    subject: Bucket
    device: Bucket
    replay_seconds: int
    overrides: Mapping[str, Bucket] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the configured policy."""
        return cls(
            subject=Bucket(settings.rate_limit_capacity, settings.rate_limit_refill_per_minute),
            device=Bucket(settings.device_rate_limit_capacity, settings.device_rate_limit_refill_per_minute),
            replay_seconds=2 * settings.hmac_max_skew_seconds + settings.jwt_leeway_seconds,
            overrides={name: Bucket(*rule) for name, rule in settings.rate_limit_overrides.items()},
        )

    def subject_bucket(self, request: AdmissionRequest) -> Bucket:
        """Returns the bucket of the request's subject."""
        return self.overrides.get(request.subject, self.subject)

    def device_bucket(self, request: AdmissionRequest) -> Bucket:
        """Returns the bucket of the request's device; unlimited if it names none."""
        return UNLIMITED if request.device_id is None else self.device

    def describe(
        self, request: AdmissionRequest, outcome: AdmissionOutcome, *, subject_tokens: float, device_tokens: float
    ) -> Admission:
        """Returns the answer for an outcome, given the tokens that are left."""
        if outcome is AdmissionOutcome.LIMITED_DEVICE:
            bucket, tokens = self.device_bucket(request), device_tokens
        else:
            bucket, tokens = self.subject_bucket(request), subject_tokens
        if bucket.capacity == 0 or outcome is AdmissionOutcome.REPLAYED:
            return Admission(outcome)
        limited = outcome is not AdmissionOutcome.ADMITTED
        wait = bucket.seconds_until(min(request.cost, bucket.capacity) - tokens) if limited else 0
        return Admission(
            outcome,
            limit=bucket.capacity,
            remaining=max(0, math.floor(tokens)),
            retry_after_seconds=max(1, wait) if limited else 0,
            reset_seconds=bucket.seconds_until(bucket.capacity - tokens),
        )


class AdmissionControl(Protocol):
    """Decides requests; every implementation gives the same answers for the same sequence."""

    def admit(self, requests: Sequence[AdmissionRequest]) -> list[Admission]:
        """Returns one answer per request, in order, as if they had come one after another.

        Raises:
            AdmissionUnavailableError: it cannot be decided; nothing may be admitted.
        """
        ...
