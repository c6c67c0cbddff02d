from typing import Any

from workers.start.consumer import SteadyConsumer
from workers.start.dead_messages_redis import TolerantChannel


class _Broker:
    """Stands for a kombu connection and remembers with which pauses it was asked to connect."""

    class transport:  # noqa: N801 - as kombu names it
        Channel: type

    def __init__(self) -> None:
        self.pauses: dict[str, float] = {}

    def ensure_connection(self, *_: Any, **options: Any) -> "_Broker":
        self.pauses = {name: value for name, value in options.items() if name.startswith("interval_")}
        return self


class _App:
    class conf:  # noqa: N801 - as celery names it
        broker_connection_retry_on_startup = True
        broker_connection_retry = True
        broker_connection_max_retries = None


def test_no_pause_is_longer_than_a_second_and_the_channel_survives() -> None:
    consumer = SteadyConsumer.__new__(SteadyConsumer)
    consumer.app = _App
    broker = _Broker()
    assert consumer.ensure_connected(broker) is broker
    assert broker.pauses["interval_start"] < broker.pauses["interval_max"] == 1.0
    assert broker.transport.Channel is TolerantChannel


def test_attempts_in_vain_are_said_once_until_much_later() -> None:
    said: list[float] = []
    say = SteadyConsumer._rarely(lambda _error, pause: said.append(pause))
    for _ in range(50):
        say(ConnectionRefusedError("refused"), 0.5)
    say(TimeoutError("silent"), 0.7)
    assert said[0] == 0.5
    assert said[-1] == 0.7
    assert len(said) <= 8
