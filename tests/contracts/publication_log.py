"""What every publication log must do."""

from uuid import uuid4

import pytest

from ml.stores.publications.publications import Publication, PublicationLog


def publication(topic: str, number: int, value: bytes = b"{}") -> Publication:
    return Publication(topic, f"customer-{number % 3}", value, f"event-{number}", f"correlation-{number}")


class PublicationLogContract:
    """Subclasses give a `log`, and read the first events of a topic with `published`."""

    log: PublicationLog
    topic: str

    @pytest.fixture(autouse=True)
    def _topic(self) -> None:
        self.topic = f"scored-{uuid4().hex}"

    def published(self, topic: str, count: int) -> list[Publication]:
        raise NotImplementedError

    def test_publishes_every_event_whole_and_in_order_per_customer(self) -> None:
        events = [publication(self.topic, number, b'{"n":%d}' % number) for number in range(30)]
        assert self.log.publish(events) == {}
        published = self.published(self.topic, 30)
        assert len(published) == 30
        for customer in {event.key for event in events}:
            assert [event for event in published if event.key == customer] == [
                event for event in events if event.key == customer
            ]

    def test_each_event_goes_to_its_topic(self) -> None:
        other = f"raw-{uuid4().hex}"
        self.log.publish([publication(self.topic, 1), publication(other, 2), publication(self.topic, 4)])
        assert self.published(self.topic, 2) == [publication(self.topic, 1), publication(self.topic, 4)]
        assert self.published(other, 1) == [publication(other, 2)]

    def test_an_event_published_again_is_there_again_with_its_id(self) -> None:
        for _ in range(2):
            assert self.log.publish([publication(self.topic, 1)]) == {}
        assert [event.event_id for event in self.published(self.topic, 2)] == ["event-1", "event-1"]

    def test_an_oversized_event_is_refused_and_the_others_are_published(self) -> None:
        sizes = (2, 2_000_000, 2)
        events = [publication(self.topic, number, b"x" * size) for number, size in enumerate(sizes, start=1)]
        assert list(self.log.publish(events)) == [1]
        published = self.published(self.topic, 2)
        assert sorted(event.event_id for event in published) == ["event-1", "event-3"]

    def test_publishing_nothing_refuses_nothing(self) -> None:
        assert self.log.publish([]) == {}
