"""Two beats that both hold the lock for a moment."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from redbeat.decoder import RedBeatJSONEncoder

from ops.processes.spawn import spawn, stop
from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.stack import wait_for
from tasks.upkeep.slots_redis import slot_key

_LOCK = "shrike:redbeat::lock"
_ENTRY = "shrike:redbeat:retrain"
_RUN, _SKIPPED = '"retraining ended"', '"retraining skipped'


def two_beats(scene: Scene) -> Struck:
    """Lets one beat send a retraining, hands its lock to the other, and lets that one send the same again."""
    stack = scene.stack
    with _second_beat(scene) as second:
        stack.redis.delete(slot_key("retraining"))
        ended, skipped = _count(scene, _RUN), _count(scene, _SKIPPED)
        # The stack's own beat dies with the lock in its hand; the second one takes over, and the slot is overdue.
        stack.signal("beat", signal.SIGKILL)
        _hand_over(scene)
        wait_for(lambda: _count(scene, _RUN) > ended, 30, "the retraining that the second beat sends")
        os.kill(second, signal.SIGSTOP)
        try:
            wait_for(lambda: stack.process("beat").state == "running", 30, "the first beat to be started again")
            wait_for(lambda: _handed_over(scene, skipped), 30, "the retraining that the first beat sends again")
        finally:
            os.kill(second, signal.SIGCONT)
    runs, skips = _count(scene, _RUN) - ended, _count(scene, _SKIPPED) - skipped
    problems = () if runs == 1 else (f"one slot had {runs} runs",)
    return Struck(now(), f"the slot was sent {runs + skips} times and ran {runs} time", problems)


def _handed_over(scene: Scene, skipped: int) -> bool:
    _hand_over(scene)
    return _count(scene, _SKIPPED) > skipped


def _hand_over(scene: Scene) -> None:
    """Frees the lock, as its expiry would half a minute later, and makes the retraining overdue."""
    meta = {"last_run_at": datetime.now(UTC) - timedelta(minutes=2), "total_run_count": 1}
    scene.stack.redis.hset(_ENTRY, "meta", json.dumps(meta, cls=RedBeatJSONEncoder))
    scene.stack.redis.delete(_LOCK)


def _count(scene: Scene, message: str) -> int:
    return scene.stack.log("retrain").count(message)


@contextmanager
def _second_beat(scene: Scene) -> Iterator[int]:
    log = scene.stack.folder / "log" / "beat-2.log"
    env = {**scene.stack.env, "LOG_LEVEL": "DEBUG", "METRICS_PORT": "0"}
    with log.open("wb") as output:
        process = spawn([sys.executable, "-m", "ops", "beat"], env=env, output=output, directory=scene.stack.directory)
    try:
        wait_for(lambda: "Waking up" in log.read_text(), 30, "the second beat")  # it asks for the lock again and again
        yield process.pid
    finally:
        stop(process)


FAULTS = (
    Fault(
        "two-beats",
        "one retraining per slot, however often it is sent; scoring does not notice",
        two_beats,
        recovery_seconds=None,
    ),
)
