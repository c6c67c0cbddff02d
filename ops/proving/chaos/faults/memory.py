"""Redis is full, or is emptied."""

import time

from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.stack import wait_for
from security.roles import Role

_SWITCH = "/admin/safe-mode"


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


def empty(scene: Scene) -> Struck:
    """Empties Redis, waits until the loss is reported, and lets an administrator open the platform again."""
    struck = now()
    scene.stack.redis.flushall()
    with scene.stack.client(Role.ADMIN) as admin:
        wait_for(lambda: admin.get(_SWITCH).json()["enabled"], 20, "SAFE MODE")
        state = admin.get(_SWITCH).json()
        wait_for(lambda: _in_safe_mode(scene, struck) > 0, 20, "a refusal in SAFE MODE")
        closed_after = now() - struck
        wait_for(lambda: admin.send("POST", f"{_SWITCH}/disable").is_ok, 20, "SAFE MODE to be switched off")
    problems = () if "lost its data" in state["reason"] else (f"the reason given was: {state['reason']}",)
    return Struck(now(), f"declared and shut within {closed_after:.1f} s", problems)


def _in_safe_mode(scene: Scene, moment: float) -> int:
    return sum(one.problem == "safe_mode" for one in scene.ledger.attempts() if one.started_at >= moment)


def _refused_since(scene: Scene, moment: float) -> int:
    return sum(one.status == 503 for one in scene.ledger.attempts() if one.started_at >= moment)


FAULTS = (
    Fault("redis-full", "503; nothing answered is lost; service is back with the memory", fill, recovery_seconds=30.0),
    Fault(
        "redis-emptied",
        "503 and SAFE MODE with the reason: the loss is declared, and counted here",
        empty,
        may_lose=True,
    ),
)
