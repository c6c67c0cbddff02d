"""Waits for the work behind the answers, so that its cost is counted and the next round starts on a quiet machine."""

import time
from collections.abc import Callable

from ops.errors import OpsError
from ops.stack.state import StackState
from settings import Settings
from settings.queues import CONSUMER_GROUPS
from tasks.upkeep.queue_status import outbox_lags
from tasks.wiring.connections import Connections
from tasks.wiring.stores import outbox

_LONGEST_SECONDS = 180.0
_POLL_SECONDS = 0.05


def wait_until_delivered(stack: StackState) -> None:
    """Waits until the drains have delivered everything to MongoDB and Kafka.

    Raises:
        OpsError: they have not in time.
    """
    settings = Settings(redis_url=stack.env["REDIS_URL"])
    with Connections(settings) as connections:
        outboxes = {group: outbox(connections, group, consumer="bench") for group in CONSUMER_GROUPS}
        poll_until(lambda: all(lag.entries == 0 for lag in outbox_lags(outboxes).values()), "the outbox is not empty")


def poll_until(is_done: Callable[[], bool], problem: str) -> None:
    """Waits until something is done.

    Raises:
        OpsError: it is not in time; the message names the problem.
    """
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise OpsError(f"After {_LONGEST_SECONDS:.0f} s {problem}.")
        time.sleep(_POLL_SECONDS)
