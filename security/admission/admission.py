"""Admission: refuses replayed requests, and requests above a rate limit of their subject or of a device.

Requests are decided in order: replay first, then the subject's two buckets, of requests and of transactions, then the
devices'. A replayed request takes no token. A limited request takes none either and its signature stays usable, so the
client may wait and send the very same request again while its timestamp is fresh.

A batch is one request and as many transactions as it has items. A device limits its own items of a batch and not the
batch: as many of them are admitted, in order, as the device has tokens.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final, Protocol, Self

from settings import Settings


class AdmissionOutcome(StrEnum):
    """Whether a request is admitted, or why not."""

    ADMITTED = "admitted"
    REPLAYED = "replayed"
    LIMITED_SUBJECT = "limited_subject"
    LIMITED_DEVICE = "limited_device"
    LIMITED_TRANSACTIONS = "limited_transactions"


@dataclass(frozen=True, slots=True)
class Load:
    """What a request takes of the rate limits, beside one token of its subject's requests.

    Attributes:
        transactions: how many it asks to score. More than the bucket's capacity need a full bucket and leave a debt.
        devices: how many of its transactions each device made.
        is_batch: whether a device without tokens limits its own transactions instead of the request.
    """

    transactions: int = 0
    devices: Mapping[str, int] = field(default_factory=dict)
    is_batch: bool = False

    @classmethod
    def of_one(cls, device_id: str | None) -> Self:
        """Returns the load of a request with one transaction."""
        return cls(1) if device_id is None else cls(1, {device_id: 1})


NO_LOAD: Final = Load()
"""The load of a request that scores nothing."""


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One request that asks to be admitted.

    Attributes:
        subject: the caller's JWT subject.
        replay_key: the digest of the verified signature; None if the caller's identity comes without one.
        load: what it takes of the rate limits.
    """

    subject: str
    replay_key: str | None
    load: Load = NO_LOAD


@dataclass(frozen=True, slots=True)
class DeviceShortage:
    """A device of a batch that has fewer tokens than the batch has transactions of it.

    Attributes:
        admitted: how many of them are admitted, the first ones.
        retry_after_seconds: when it has a token again.
    """

    admitted: int
    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to one request, with a bucket's figures for the rate limit headers.

    They are those of the bucket that limits it; of an admitted request those of its subject's requests or, if these
    have no limit, transactions.

    Attributes:
        outcome: admitted, or why not.
        limit: capacity of the bucket; None if no limit applies.
        remaining: whole tokens left; None if no limit applies.
        retry_after_seconds: at least 1 for a limited request, else 0.
        reset_seconds: until the bucket is full again.
        shortages: the devices of an admitted batch that limit some of its transactions.
    """

    outcome: AdmissionOutcome
    limit: int | None = None
    remaining: int | None = None
    retry_after_seconds: int = 0
    reset_seconds: int = 0
    shortages: Mapping[str, DeviceShortage] = field(default_factory=dict)

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

    @property
    def script_arguments(self) -> tuple[str, str]:
        """Capacity and refill as the script in Redis takes them."""
        return str(self.capacity), str(self.tokens_per_millisecond)

    def seconds_until(self, missing: float) -> int:
        """Returns whole seconds until `missing` tokens have come back, at most a day."""
        if missing <= 0:
            return 0
        if self.refill_per_minute <= 0:
            return DAY_SECONDS
        return min(DAY_SECONDS, math.ceil(missing / self.refill_per_minute * 60))


DAY_SECONDS = 86_400
UNLIMITED = Bucket(capacity=0, refill_per_minute=0)


_DEFAULT_TRANSACTIONS: Final = Bucket(capacity=2000, refill_per_minute=600)
"""Two full batches at once, and ten transactions a second."""


@dataclass(frozen=True)
class SubjectLimits:
    """The two buckets of one subject."""

    requests: Bucket
    transactions: Bucket

    @cached_property
    def script_arguments(self) -> tuple[str, str, str, str]:
        """The limits as the script in Redis takes them; made once, because every request passes them."""
        return (*self.requests.script_arguments, *self.transactions.script_arguments)


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """Which buckets and which replay window apply.

    Attributes:
        subject: every subject's limits without an override.
        device: every device's bucket of transactions.
        overrides: limits of particular subjects.
        replay_seconds: how long a signature is remembered. Source: 2 x skew + leeway, the longest time between the
            first and the last moment at which one timestamp is acceptable, and a margin.
    """

    subject: SubjectLimits
    device: Bucket
    replay_seconds: int
    overrides: Mapping[str, SubjectLimits] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the configured policy."""
        requests = Bucket(settings.rate_limit_capacity, settings.rate_limit_refill_per_minute)
        transactions = _transactions_beside(requests, _DEFAULT_TRANSACTIONS)
        if settings.transaction_rate_limit_capacity is not None:
            transactions = replace(transactions, capacity=settings.transaction_rate_limit_capacity)
        if settings.transaction_rate_limit_refill_per_minute is not None:
            transactions = replace(transactions, refill_per_minute=settings.transaction_rate_limit_refill_per_minute)
        own = {name: Bucket(*rule) for name, rule in settings.rate_limit_overrides.items()}
        return cls(
            subject=SubjectLimits(requests, transactions),
            device=Bucket(settings.device_rate_limit_capacity, settings.device_rate_limit_refill_per_minute),
            replay_seconds=2 * settings.hmac_max_skew_seconds + settings.jwt_leeway_seconds,
            overrides={
                name: SubjectLimits(rule, _transactions_beside(rule, transactions)) for name, rule in own.items()
            },
        )

    def limits(self, request: AdmissionRequest) -> SubjectLimits:
        """Returns the limits of the request's subject."""
        return self.overrides.get(request.subject, self.subject)

    def describe(self, request: AdmissionRequest, outcome: AdmissionOutcome, *, left: "Left") -> Admission:
        """Returns the answer for an outcome, given the tokens that are left."""
        if outcome is AdmissionOutcome.REPLAYED:
            return Admission(outcome)
        bucket, cost, tokens = self._shown_bucket(request, outcome, left)
        if bucket.capacity == 0:
            return Admission(outcome, shortages=left.shortages)
        limited = outcome is not AdmissionOutcome.ADMITTED
        wait = bucket.seconds_until(min(cost, bucket.capacity) - tokens) if limited else 0
        return Admission(
            outcome,
            limit=bucket.capacity,
            remaining=max(0, math.floor(tokens)),
            retry_after_seconds=max(1, wait) if limited else 0,
            reset_seconds=bucket.seconds_until(bucket.capacity - tokens),
            shortages=left.shortages,
        )

    def shortage(self, asked: int, admitted: int, *, tokens: float) -> DeviceShortage | None:
        """Returns what a device of a batch lacks, None if it admits all."""
        if admitted >= asked:
            return None
        return DeviceShortage(admitted, max(1, self.device.seconds_until(1 - tokens)))

    def _shown_bucket(
        self, request: AdmissionRequest, outcome: AdmissionOutcome, left: "Left"
    ) -> tuple[Bucket, int, float]:
        """Returns the bucket whose figures the answer shows, what the request takes of it, and its tokens."""
        limits = self.limits(request)
        if outcome is AdmissionOutcome.LIMITED_DEVICE:
            return self.device, 1, left.device
        by_transactions = limits.requests.capacity == 0 and request.load.transactions > 0
        if outcome is AdmissionOutcome.LIMITED_TRANSACTIONS or by_transactions:
            return limits.transactions, request.load.transactions, left.transactions
        return limits.requests, 1, left.requests


def _transactions_beside(requests: Bucket, transactions: Bucket) -> Bucket:
    """Returns the bucket of transactions of a subject with these requests.

    Whoever may send more requests may score at least as many transactions, and without a limit of requests there is
    none of transactions either: raising one setting must not run into another.
    """
    if requests.capacity == 0 or transactions.capacity == 0:
        return UNLIMITED
    return Bucket(
        max(requests.capacity, transactions.capacity), max(requests.refill_per_minute, transactions.refill_per_minute)
    )


@dataclass(frozen=True, slots=True)
class Left:
    """The tokens that a decision left in the buckets of a request, and the devices of a batch that lack some."""

    requests: float
    transactions: float
    device: float
    shortages: Mapping[str, DeviceShortage] = field(default_factory=dict)


class AdmissionControl(Protocol):
    """Decides requests; every implementation gives the same answers for the same sequence."""

    def admit(self, requests: Sequence[AdmissionRequest]) -> list[Admission]:
        """Returns one answer per request, in order, as if they had come one after another.

        Raises:
            AdmissionUnavailableError: it cannot be decided; nothing may be admitted.
        """
        ...
