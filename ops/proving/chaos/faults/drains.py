"""A drain dies after its sink has taken a batch and before the drain has acknowledged it."""

import os
import signal
from collections.abc import Callable

from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.proxy import Fate as Reply
from ops.proving.chaos.platform.proxy import Proxy
from ops.proving.chaos.platform.sockets import owner_of
from ops.proving.chaos.platform.stack import wait_for

_PRODUCE = b"\x00\x00"
"""Kafka's key of a produce request, after its length of four bytes."""


def kill_after_mongo(scene: Scene) -> Struck:
    """Lets MongoDB take a batch, holds the reply back, and kills the drain."""
    return _kill(scene, "explain", scene.stack.servers.mongo.proxy, updates)


def kill_after_kafka(scene: Scene) -> Struck:
    """Lets Kafka take a batch, holds the acknowledgement back, and kills the drain."""
    return _kill(scene, "publish", scene.stack.servers.kafka.proxy, produces)


def _kill(scene: Scene, drain: str, proxy: Proxy, matches: Callable[[bytes], bool]) -> Struck:
    with proxy.trapping(matches, Reply.HELD) as trap:
        wait_for(trap.replied.is_set, 30, f"a write of the {drain} worker")
        pid = scene.stack.pid(drain)
        if owner_of(trap.client_port, [pid]) != pid:
            return Struck(now(), problems=(f"the write did not come from the {drain} worker",))
        os.kill(pid, signal.SIGKILL)
    scene.stack.await_successor(drain, pid)
    return Struck(now(), "killed with its sink's reply in the proxy")


def updates(chunk: bytes) -> bool:
    """Whether a piece of the stream to MongoDB writes explanations."""
    return b"\x02update\x00" in chunk and b"explanations\x00" in chunk


def produces(chunk: bytes) -> bool:
    """Whether a piece of the stream to Kafka begins a produce request."""
    return chunk[4:6] == _PRODUCE


FAULTS = (
    Fault(
        "drain-killed-after-mongo",
        "delivered again; no duplicate in MongoDB; scoring does not notice",
        kill_after_mongo,
        recovery_seconds=None,
    ),
    Fault(
        "drain-killed-after-kafka",
        "delivered again; duplicates counted, with the same key and event id; scoring does not notice",
        kill_after_kafka,
        recovery_seconds=None,
    ),
)
