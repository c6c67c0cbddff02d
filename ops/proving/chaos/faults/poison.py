"""Content that no consumer can process, in every queue and every stream."""

import time
from typing import Any
from uuid import uuid4

import orjson

from ml.stores.labels.label_inbox_redis import LABELS
from ml.stores.outbox.keys_redis import OUTBOX
from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.stack import wait_for
from settings.queues import QUEUES
from workers.start.dead_messages_redis import dead_messages_key

_GARBAGE = (b"\x00\xff no json", b"[1, 2]", b'{"body": 5}', b"{}")
_CALLS = ("no.such.task", "scoring.score", "retraining.run")
_BURIED_SECONDS = 90.0


def poison_queues(scene: Scene) -> Struck:
    """Puts garbage, unknown tasks and unsigned calls into each queue."""
    redis: Any = scene.stack.redis  # redis-py types each reply as a union over decoding modes
    pids = {process.name: process.pid for process in scene.stack.state.processes}
    poison = {*_GARBAGE, *map(_call, _CALLS)}
    for queue in QUEUES:
        redis.lpush(queue, *poison)
    struck = now()
    # The queues are hardly ever empty: doorbells come all the time.
    wait_for(lambda: not any(poison & set(redis.lrange(queue, 0, -1)) for queue in QUEUES), 60, "all of it to be read")
    time.sleep(1.0)
    wait_for(lambda: scene.ledger.answered_since(struck) > 0, 30, "an answer")
    died = [process.name for process in scene.stack.state.processes if process.pid != pids[process.name]]
    problems: tuple[str, ...] = (f"{', '.join(died)} died of it",) if died else ()
    aside = sum(redis.xlen(dead_messages_key(queue)) for queue in QUEUES)
    if not aside:
        problems += ("nothing was put aside",)
    note = f"{len(poison)} bad messages in each of {len(QUEUES)} queues, {aside} unreadable ones put aside so far"
    return Struck(now(), note, problems)


def poison_streams(scene: Scene) -> Struck:
    """Puts entries into outbox and label stream that no sink can take."""
    redis, before = scene.stack.redis, scene.evidence.dead_letters()
    for stream in (OUTBOX, LABELS):
        redis.xadd(stream, {"id": f"poison-{uuid4().hex}", "event": b"\x00\xff no json"})
        redis.xadd(stream, {"id": f"poison-{uuid4().hex}", "event": b'{"decision": {}}'})
        redis.xadd(stream, {"strange": b"fields"})
    wanted = {group: count + 3 for group, count in before.items()}
    wait_for(lambda: scene.evidence.dead_letters() == wanted, _BURIED_SECONDS, "three dead letters of each drain")
    return Struck(now(), "3 dead letters each of " + ", ".join(wanted))


def _call(task: str) -> bytes:
    """Returns a call of a task as Celery sends it, unsigned."""
    message_id = uuid4().hex
    headers: dict[str, Any] = {"lang": "py", "task": task, "id": message_id, "root_id": message_id, "retries": 0}
    properties = {
        "correlation_id": message_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": ""},
        "priority": 0,
        "body_encoding": "utf-8",
        "delivery_tag": message_id,
    }
    return orjson.dumps(
        {
            "body": "[[], {}, {}]",
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    )


FAULTS = (
    Fault("poison-in-queues", "put aside or refused, and counted; the workers live, others flow", poison_queues),
    Fault(
        "poison-in-streams",
        "dead-lettered with the reason; others flow; scoring does not notice",
        poison_streams,
        recovery_seconds=None,
    ),
)
