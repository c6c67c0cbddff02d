"""A scoring worker dies: with a message in its socket, at any moment, or right after it has committed."""

import os
import signal
import time
from typing import Any

from ml.stores.outbox.keys_redis import OUTBOX
from ml.stores.redis.scripts_redis import lua_script
from ops.proving.chaos.clients.ledger import MAY_PASS, Fate, now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.proxy import Fate as Reply
from ops.proving.chaos.platform.sockets import owner_of
from ops.proving.chaos.platform.stack import wait_for

WORKERS = ("score-1", "score-2")
_COMMIT = lua_script("decisions", "commit").sha.encode()


def freeze_push_kill(scene: Scene) -> Struck:
    """Stops both workers, lets messages reach their sockets, and kills them with the messages in hand."""
    victims = {name: scene.stack.signal(name, signal.SIGSTOP) for name in WORKERS}
    wait_for(lambda: scene.stack.redis.llen("score") > 0, 10, "more messages than the frozen workers hold")
    held = now()
    for pid in victims.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in victims.items():
        scene.stack.await_successor(name, pid)
    wait_for(lambda: scene.ledger.answered_since(held) > 0, 30, "an answer by the successors")
    healed = now()
    wait_for(lambda: _answered_at_retry(scene), 30, "an answer to a retry")
    return Struck(healed, f"{_answered_at_retry(scene)} transactions were answered at a retry")


def _answered_at_retry(scene: Scene) -> int:
    return sum(len(sent.attempts) > 1 and sent.fate is Fate.ACKNOWLEDGED for sent in scene.ledger.all())


def kill_at_random(scene: Scene) -> Struck:
    """Kills one worker after the other at random moments."""
    kills, begun = 2 if scene.is_short else 6, now()
    for number in range(kills):
        time.sleep(scene.chance.uniform(0.2, 1.5))
        scene.stack.kill_and_await_successor(WORKERS[number % 2])
    healed = now()
    failed = [one for one in scene.ledger.attempts() if one.started_at >= begun and not one.is_answer]
    strange = [one for one in failed if one.status not in MAY_PASS]
    problems = (f"{len(strange)} failures with another status",) if strange else ()
    return Struck(healed, f"{kills} kills, {len(failed)} attempts failed", problems)


def kill_after_commit(scene: Scene) -> Struck:
    """Lets the Lua script run, holds its reply back, and kills the worker that waits for it."""
    proxy = scene.stack.servers.valkey.proxy
    redis: Any = scene.stack.redis  # redis-py types each reply as a union over decoding modes
    with proxy.trapping(lambda chunk: _COMMIT in chunk, Reply.HELD) as trap:
        wait_for(trap.replied.is_set, 20, "a commit")
        pids = {name: scene.stack.pid(name) for name in WORKERS}
        victim = owner_of(trap.client_port, pids.values())
        name = next((name for name, pid in pids.items() if pid == victim), None)
        if victim is None or name is None:
            return Struck(now(), problems=("the commit did not come from a scoring worker",))
        os.kill(victim, signal.SIGKILL)
    scene.stack.await_successor(name, victim)
    healed = now()
    ids = [sent.transaction_id for sent in scene.ledger.all()]
    entries = [fields[b"id"].decode() for _, fields in redis.xrange(OUTBOX)]
    twice = sum(entries.count(transaction_id) > 1 for transaction_id in ids)
    problems = (f"{twice} transactions have two outbox entries",) if twice else ()
    return Struck(healed, "killed with its commit's reply in the proxy", problems)


FAULTS = (
    Fault(
        "worker-frozen-then-killed",
        "the client's retry gets the answer; nothing answered is lost",
        freeze_push_kill,
    ),
    Fault(
        "worker-killed",
        "only requests in flight fail, with 503 or 504 in their deadline; nothing answered is lost",
        kill_at_random,
    ),
    Fault(
        "worker-killed-after-commit",
        "the retry gets the same answer; one outbox entry",
        kill_after_commit,
    ),
)
