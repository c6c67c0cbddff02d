"""Redis dies, freezes, or its reply is lost."""

import time

from ops.proving.chaos.clients.ledger import now
from ops.proving.chaos.fault import Fault, Scene, Struck
from ops.proving.chaos.platform.proxy import Fate as Reply
from ops.proving.chaos.platform.stack import wait_for


def kill(scene: Scene) -> Struck:
    """Kills Redis under load and starts it again on its append-only file."""
    server = scene.stack.servers.valkey
    server.kill()
    killed = now()
    time.sleep(scene.seconds(short=2.0, full=5.0))
    server.start()
    healed = now()
    down = [one for one in scene.ledger.attempts() if killed <= one.started_at < healed]
    note = f"down for {healed - killed:.1f} s, {sum(not one.is_answer for one in down)} attempts refused meanwhile"
    return Struck(healed, note)


def freeze(scene: Scene) -> Struck:
    """Freezes Redis; every connection of that time stays half open, and only new ones are served afterwards."""
    server = scene.stack.servers.valkey
    with server.frozen():
        server.proxy.abandon()
        time.sleep(scene.seconds(short=8.0, full=20.0))
    return Struck(now(), "every connection of that time was half open")


def lose_push_reply(scene: Scene) -> Struck:
    """Loses the reply to the command that queues a scoring message, several times."""
    proxy, times = scene.stack.servers.valkey.proxy, 3
    for _ in range(times):
        with proxy.trapping(_queues_scoring, Reply.LOST) as trap:
            wait_for(trap.replied.is_set, 20, "a scoring message")
        time.sleep(0.3)
    return Struck(now(), f"{times} replies lost")


def _queues_scoring(chunk: bytes) -> bool:
    # A message leaves with an LPUSH of its own or, if its request came alone, with the script that admits it.
    return b"\r\nscore\r\n" in chunk and (b"LPUSH" in chunk or b"EVALSHA" in chunk)


FAULTS = (
    Fault(
        "redis-killed",
        "nothing answered is lost; requests meanwhile get 503 in their deadline; service is back within 5 s of Redis",
        kill,
        recovery_seconds=5.0,
    ),
    Fault(
        "redis-frozen",
        "no thread or worker hangs; service is back within 30 s",
        freeze,
        recovery_seconds=30.0,
        # Outage and recovery together may take 50 s: a minute would leave an early transaction one more attempt.
        patience_seconds=120.0,
    ),
    Fault("push-reply-lost", "one effect, whether the message was queued once or twice", lose_push_reply),
)
