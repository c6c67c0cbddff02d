"""Redis is full, or somebody empties it."""

import time

from ops.chaos.fault import Fault, Scene, Struck
from ops.chaos.ledger import now
from ops.chaos.stack import wait_for


def fill(scene: Scene) -> Struck:
    """Lowers Redis's memory limit below what it holds, and raises it again."""
    redis = scene.stack.redis
    redis.config_set("maxmemory", 1)
    struck = now()
    try:
        wait_for(lambda: _refused_since(scene, struck) > 0, 20, "a refusal")
        time.sleep(scene.seconds(short=2.0, full=10.0))
    finally:
        redis.config_set("maxmemory", 0)
    healed = now()
    answered = [
        one for one in scene.ledger.attempts() if one.is_answer and struck + 0.5 < one.started_at < healed - 0.5
    ]
    note = f"{_refused_since(scene, struck)} attempts refused, {len(answered)} answered meanwhile"
    return Struck(healed, note)


def _refused_since(scene: Scene, moment: float) -> int:
    return sum(one.status == 503 for one in scene.ledger.attempts() if one.started_at >= moment)


FAULTS = (Fault("redis-full", "503; nothing answered is lost; service is back with the memory", fill),)
