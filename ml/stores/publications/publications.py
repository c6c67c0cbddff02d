"""Publications: decisions and transactions as events for other systems."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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

    def publish(self, publications: Sequence[Publication]) -> dict[int, str]:
        """Publishes events and waits until each is acknowledged.

        Returns:
            Reasons by position, for events that will never be taken (too large, unknown topic, …).

        Raises:
            StoreUnavailableError: not all events were acknowledged in time; some may have been published.
        """
        ...
