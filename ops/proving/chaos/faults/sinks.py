"""MongoDB or Kafka is away; a broker is lost in the middle of a batch."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.faults.drains import produces
from ops.proving.chaos.platform.proxy import Fate as Reply
from ops.proving.chaos.platform.servers import Server
from ops.proving.chaos.platform.stack import wait_for

_LOST_BATCHES = 3
_DRAINED_SECONDS = 180.0


def mongo_down(scene: Scene) -> Struck:
    """Kills MongoDB and starts it again later on its files."""
    return _outage(scene, lambda: _dead(scene.stack.servers.mongo))


def kafka_down(scene: Scene) -> Struck:
    """Closes every connection to Kafka for a while; the embedded broker itself would forget everything if killed."""
    return _outage(scene, scene.stack.servers.kafka.proxy.cut)


def broker_lost(scene: Scene) -> Struck:
    """Breaks the connection after a batch has reached the broker and before its acknowledgement comes back."""
    proxy = scene.stack.servers.kafka.proxy
    for _ in range(_LOST_BATCHES):
        with proxy.trapping(produces, Reply.LOST) as trap:
            wait_for(trap.replied.is_set, 30, "a batch on its way to Kafka")
    return drained(scene, now(), f"{_LOST_BATCHES} batches were taken and not acknowledged")


def _outage(scene: Scene, away: Callable[[], AbstractContextManager[None]]) -> Struck:
    with away():
        time.sleep(scene.seconds(short=4.0, full=300.0))
        waiting = scene.evidence.undelivered()
    problems = () if waiting else ("the outbox did not grow",)
    return drained(scene, now(), f"{waiting} entries waited at the end of the outage", problems)


@contextmanager
def _dead(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


def drained(scene: Scene, healed: float, note: str, problems: tuple[str, ...] = ()) -> Struck:
    """Waits until the drains have caught up with the traffic, which goes on."""
    started = len(scene.ledger.all())
    wait_for(
        lambda: scene.evidence.undelivered() <= max(50, started // 100), _DRAINED_SECONDS, "the drains to catch up"
    )
    seconds = now() - healed
    return Struck(healed, f"{note}; caught up in {seconds:.1f} s", problems, recovered_seconds=seconds)


FAULTS = (
    Fault(
        "mongo-down",
        "scoring does not notice; the outbox grows, then drains to nothing; nothing is lost",
        mongo_down,
        recovery_seconds=None,
    ),
    Fault(
        "kafka-down",
        "scoring does not notice; the outbox grows, then drains to nothing; nothing is lost",
        kafka_down,
        recovery_seconds=None,
    ),
    Fault(
        "kafka-lost-mid-batch",
        "scoring does not notice; delivered again; nothing is lost",
        broker_lost,
        recovery_seconds=None,
    ),
)
