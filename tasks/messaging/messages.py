"""Signed Celery messages: a worker runs exactly the message that the web process sent, or nothing.

The payload travels as one JSON text, so that the signature covers the very bytes that are decoded. The worker's side
is `tasks.messaging.sealed_task`.

A message equals that of `Celery.send_task`, except for a reply address that nothing uses; a test compares the two. It
is put together here, its headers once per task, because doing anew for each message all that `send_task` does costs
more than sending it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from celery import Celery

from security.messages.message_signer import MessageSigner
from tasks.clock import SHARED_CLOCK


class MessageQueue(Protocol):
    """Where messages are put for the workers; every method may raise StoreUnavailableError."""

    def connect(self) -> None:
        """Opens the connection that the next message would open."""
        ...

    def encode(self, queue: str, *, message_id: str, headers: Mapping[str, Any], body: list[Any]) -> bytes:
        """Returns a task message as the queue holds it."""
        ...

    def put(self, queue: str, message: bytes) -> None:
        """Puts one encoded message on a queue; after an error it may have been queued all the same."""
        ...


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """A signed message as its queue takes it, ready to be put there."""

    queue: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Form:
    """The part that all messages of a task share: their queue, their headers, and the last part of their body."""

    queue: str
    headers: Mapping[str, Any]
    embed: Mapping[str, Any]


class MessageSealer:
    """Makes signed messages; touches no connection.

    Args:
        app: knows routes and message format.
        signer: holds the message key.
        encode: returns a task message as its queue holds it, see `MessageQueue.encode`.
    """

    def __init__(self, app: Celery, signer: MessageSigner, encode: Callable[..., bytes]) -> None:
        self._app = app
        self._signer = signer
        self._encode = encode
        self._forms: dict[str, _Form] = {}

    def seal(self, task: str, payload: str | None, *, message_id: str, deadline_ms: int = 0) -> SealedMessage:
        """Returns a task's message, signed now and ready for its queue; it may be without a payload."""
        form = self._form(task)
        headers = {
            **form.headers,
            "id": message_id,
            "root_id": message_id,
            "sent_at": SHARED_CLOCK.now(),
            "deadline_ms": deadline_ms,
            "signature": self._signer.sign(task, message_id, deadline_ms, payload or ""),
        }
        body = [[] if payload is None else [payload], {}, form.embed]
        content = self._encode(form.queue, message_id=message_id, headers=headers, body=body)
        return SealedMessage(form.queue, content)

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


class MessagePublisher:
    """Sends signed messages to the queue of their task.

    Args:
        app: knows routes and message format.
        signer: holds the message key.
        queue: takes the messages.
    """

    def __init__(self, app: Celery, signer: MessageSigner, queue: MessageQueue) -> None:
        self._queue = queue
        self._sealer = MessageSealer(app, signer, queue.encode)

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
        self.send(self.seal(task, payload, message_id=message_id, deadline_ms=deadline_ms))

    def seal(self, task: str, payload: str, *, message_id: str, deadline_ms: int = 0) -> SealedMessage:
        """See `MessageSealer.seal`."""
        return self._sealer.seal(task, payload, message_id=message_id, deadline_ms=deadline_ms)

    def send(self, message: SealedMessage) -> None:
        """Puts one signed message on its queue; raises like `publish`."""
        self._queue.put(message.queue, message.content)
