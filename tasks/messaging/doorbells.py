"""Doorbells: messages without content that start a task: a drain that has something in its stream, a scheduled run.

Each is signed when it is sent, wherever in the process that happens, the scheduler included: a worker drops a doorbell
that anybody else sent.

One doorbell of a drain is as good as many, so each sender removes the older ones from the queue. A queue of doorbells
therefore holds at most one, however many processes send, and however long nobody drains.
"""

import logging
from datetime import datetime
from typing import Any
from uuid import uuid4

from celery import signals
from kombu.exceptions import OperationalError

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from security.messages.message_signer import MessageSigner
from settings.queues import DRAINS, QUEUE_OF_TASK, SCORE_TASK
from tasks.app import app
from tasks.clock import SHARED_CLOCK
from tasks.messaging.message_queue_redis import envelope
from tasks.messaging.messages import MessageSealer
from tasks.services import provide, require

_GROUP_OF_DRAIN = {task: group for group, task in DRAINS.items()}
DOORBELLS = frozenset(QUEUE_OF_TASK) - {SCORE_TASK}
"""The tasks that take no argument."""

_LONGEST_LIFE_SECONDS = 3600
"""A doorbell without an expiry of its own may wait this long, behind a training for instance."""

_log = logging.getLogger(__name__)


def send_doorbells(*groups: str) -> None:
    """Sends a doorbell to the drain of each consumer group, all in one round trip: the sender has answers to give.

    A lost doorbell costs only time: beat sends another one every few seconds.

    Raises:
        tasks.services.ServiceMissingError: `sign_doorbells` was not called in this process.
    """
    sealer, deadline_ms = require(MessageSealer), _deadline_ms(None)
    doorbells = [sealer.seal(DRAINS[group], None, message_id=str(uuid4()), deadline_ms=deadline_ms) for group in groups]
    try:
        with redis_failures_as_unavailable(), app.pool.acquire(block=True) as connection:
            pipeline = connection.default_channel.client.pipeline(transaction=False)
            for doorbell in doorbells:
                pipeline.lpush(doorbell.queue, doorbell.content)
                _keep_newest(pipeline, doorbell.queue)
            pipeline.execute()
    except (OperationalError, StoreUnavailableError) as error:
        _log.warning("the doorbells of %s were not sent: %s", ", ".join(groups), error)


def keep_newest_doorbell(sender: object = None, **_: Any) -> None:
    """Trims the queue to the newest doorbell: the hook of beat, which does not send through `send_doorbells`."""
    group = _GROUP_OF_DRAIN.get(str(sender))
    if group is None:
        return
    try:
        with redis_failures_as_unavailable(), app.pool.acquire(block=True) as connection:
            _keep_newest(connection.default_channel.client, group)
    except (OperationalError, StoreUnavailableError) as error:
        _log.warning("older doorbells of %s were left in the queue: %s", group, error)


def _keep_newest(client: Any, queue: str) -> None:
    # The newest, not the oldest: a worker may be taking the other end at this very moment.
    client.ltrim(queue, 0, 0)


def sign_doorbells(signer: MessageSigner) -> None:
    """Makes this process sign every doorbell it sends from now on; called a second time, with another key."""

    def sign(sender: str | None = None, body: Any = None, headers: dict[str, Any] | None = None, **_: Any) -> None:
        # Nothing but a bare doorbell is signed here: an attacker who makes this process send another message, by way of
        # a callback for example, must not get its signature.
        if headers is None or sender not in DOORBELLS or not _is_bare(body):
            return
        deadline_ms = _deadline_ms(headers.get("expires"))
        headers |= {
            "deadline_ms": deadline_ms,
            "signature": signer.sign(sender, headers["id"], deadline_ms, ""),
        }
        headers.setdefault("sent_at", SHARED_CLOCK.now())

    provide(MessageSealer, MessageSealer(app, signer, envelope))
    signals.before_task_publish.disconnect(dispatch_uid="doorbells")
    signals.before_task_publish.connect(sign, weak=False, dispatch_uid="doorbells")


def _is_bare(body: Any) -> bool:
    args, kwargs, embed = body
    return not args and not kwargs and not any(embed.values())


def _deadline_ms(expires: str | None) -> int:
    """Returns when a doorbell is over: at its expiry, which Celery obeys but does not protect."""
    if expires is None:
        return int((SHARED_CLOCK.now() + _LONGEST_LIFE_SECONDS) * 1000)
    return int(datetime.fromisoformat(expires).timestamp() * 1000)
