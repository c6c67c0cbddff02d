"""`worker.probe`: a worker asks itself, through its queue, whether it still takes messages and does its work.

A probe leaves no trace but its answer: no features, no record, no event, no metric of a decision.
"""

from collections.abc import Callable
from dataclasses import dataclass

import orjson
from redis import Redis

from ml.stores.decisions.replies_redis import push_reply
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from tasks.app import app
from tasks.services import require

PROBE_TASK = "worker.probe"


@dataclass(frozen=True, slots=True)
class ProbedWork:
    """The work that a probe tries, and the place of its answer.

    Attributes:
        run: does a piece of the worker's work that leaves no trace; raises if it cannot.
        client: a Redis client.
    """

    run: Callable[[], None]
    client: Redis


@app.task(name=PROBE_TASK, bind=True, send_events=False)  # it would fill Flower with nothing
def probe(self, payload: str) -> None:  # type: ignore[no-untyped-def]
    """Does the probed work and answers with the message's id."""
    work = require(ProbedWork)
    work.run()
    with redis_failures_as_unavailable():
        push_reply(work.client, orjson.loads(payload)["reply_to"], self.request.id.encode())
