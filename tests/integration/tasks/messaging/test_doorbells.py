import os
import subprocess
import sys

import redis

SENDER = """
from security.messages.message_signer import MessageSigner
from tasks.messaging.doorbells import send_doorbells, sign_doorbells
sign_doorbells(MessageSigner(b"k" * 32))
for _ in range(100):
    send_doorbells("explain", "publish")
"""


def test_however_many_processes_send_one_doorbell_waits_per_sink(redis_client: redis.Redis) -> None:
    connection = redis_client.connection_pool.connection_kwargs
    url = f"redis://{connection['host']}:{connection['port']}/{connection['db']}"
    command = [sys.executable, "-c", SENDER]
    senders = [subprocess.Popen(command, env=os.environ | {"REDIS_URL": url}) for _ in range(3)]
    most = 0
    while any(sender.poll() is None for sender in senders):
        most = max(most, redis_client.llen("explain"))
    assert [sender.returncode for sender in senders] == [0, 0, 0]
    assert [redis_client.llen(queue) for queue in ("explain", "publish")] == [1, 1]
    # A doorbell is there before the older one is gone, for as long as a round trip takes.
    assert 1 <= most <= 1 + len(senders)
