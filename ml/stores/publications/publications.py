"""Publications: decisions and transactions as events for other systems."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ml.stores.refused import Refused


@dataclass(frozen=True, slots=True)
class Publication:
    """One event. Delivery is at least once: consumers drop what they have seen by `event_id`.

    Attributes:
        topic: where it goes.
        key: the customer, so that one customer's events stay in order.
        value: JSON.
        event_id: the same on every redelivery.
        correlation_id: of the request that caused it.
    """

    topic: str
    key: str
    value: bytes
    event_id: str
    correlation_id: str


class PublicationLog(Protocol):
    """Where events are published to."""

    def publish(self, publications: Sequence[Publication]) -> dict[int, Refused]:
        """Publishes events and waits until each is acknowledged.

        Returns:
            By position, the events that were not taken while others may have been: refused, or deferred because only
            their part of the log is away.

        Raises:
            StoreUnavailableError: not all events were acknowledged in time, or none may be published at present; some
                may have been published.
        """
        ...
