"""Signed Celery messages: what leaves the web process is what the worker runs, or nothing.

The payload travels as one JSON text, so that the signature covers the very bytes that are decoded. The worker's side
is `tasks.sealed_task`.

A message is what `Celery.send_task` would send, but for a reply address that nobody uses; a test compares the two. It
is put together here, its headers once per task, because doing anew for each message all that `send_task` does costs
more than sending it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from celery import Celery

from security.messages import MessageSigner


class MessageQueue(Protocol):
    """Where messages are put for the workers; every method may raise StoreUnavailableError."""

    def connect(self) -> None:
        """Opens the connection that the next message would open."""
        ...

    def put(self, queue: str, *, message_id: str, headers: Mapping[str, Any], body: list[Any]) -> None:
        """Puts one task message on a queue; after an error it may have been queued all the same."""
        ...


@dataclass(frozen=True, slots=True)
class _Form:
    """What all messages of a task have in common: their queue, their headers, and the last part of their body."""

    queue: str
    headers: Mapping[str, Any]
    embed: Mapping[str, Any]


class MessagePublisher:
    """Sends signed messages to the queue of their task.

    Args:
        app: knows routes and message format.
        signer: holds the message key.
        queue: takes the messages.
    """

    def __init__(self, app: Celery, signer: MessageSigner, queue: MessageQueue) -> None:
        self._app = app
        self._signer = signer
        self._queue = queue
        self._forms: dict[str, _Form] = {}

    def connect(self) -> None:
        """Opens the connection that the next message would open.

        Raises:
            StoreUnavailableError: the broker cannot be reached.
        """
        self._queue.connect()

    def publish(self, task: str, payload: str, *, message_id: str, deadline_ms: int = 0) -> None:
        """Puts one message on its task's queue.

        Raises:
            StoreUnavailableError: the broker did not confirm it; the message may have been queued all the same.
        """
        form = self._form(task)
        headers = {
            **form.headers,
            "id": message_id,
            "root_id": message_id,
            "sent_at": time.time(),
            "deadline_ms": deadline_ms,
            "signature": self._signer.sign(task, message_id, deadline_ms, payload),
        }
        self._queue.put(form.queue, message_id=message_id, headers=headers, body=[[payload], {}, form.embed])

    def _form(self, task: str) -> _Form:
        form = self._forms.get(task)
        if form is None:
            headers, _, (_, _, embed), _ = self._app.amqp.create_task_message(
                "",
                task,
                # Rendering arguments for events costs time and would put transactions into Flower.
                argsrepr="(signed)",
                kwargsrepr="{}",
                ignore_result=True,
            )
            form = _Form(self._app.amqp.router.route({}, task)["queue"].name, headers, embed)
            self._forms[task] = form
        return form
