"""Waiting for the work behind the answers, so that its cost is counted and the next round starts on a quiet machine."""

import time
from collections.abc import Callable, Mapping

from redis import Redis

from ml.stores.outbox.keys_redis import OUTBOX
from ops.errors import OpsError
from ops.stack.state import StackState
from settings import Settings
from settings.queues import CONSUMER_GROUPS
from tasks.upkeep.queues import outbox_lags
from tasks.wiring.stores import connect_redis, outbox

_SETTLE_SECONDS = 180.0


def wait_until_delivered(stack: StackState) -> None:
    """Waits until the drains owe nothing to MongoDB and Kafka.

    Raises:
        OpsError: they did not get there in time.
    """
    settings = Settings(redis_url=stack.env["REDIS_URL"])
    with connect_redis(settings) as client:
        outboxes = {group: outbox(settings, group, consumer="bench", client=client) for group in CONSUMER_GROUPS}
        _poll(lambda: all(lag.entries == 0 for lag in outbox_lags(outboxes).values()), "the outbox is not empty")


def cut_outbox(url: str) -> None:
    """Cuts off what nobody drains."""
    with Redis.from_url(url) as client:
        client.xtrim(OUTBOX, maxlen=0, approximate=False)


def wait_until_idle(env: Mapping[str, str], url: str) -> None:
    """Waits until the default Celery worker has worked off what a round left in its queue.

    Raises:
        OpsError: it did not get there in time.
    """
    with Redis.from_url(env["PEER_BROKER_URL"]) as client:
        _poll(lambda: not client.llen("celery") and not client.hlen("unacked"), "the queue is not empty")
    cut_outbox(url)


def _poll(is_done: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise OpsError(f"After {_SETTLE_SECONDS:.0f} s {problem}.")
        time.sleep(0.05)
