"""Signed Celery messages: what leaves the web process is what the worker runs, or nothing.

The payload travels as one JSON text, so that the signature covers the very bytes that are decoded.

A message is what `Celery.send_task` would send, but for a reply address that nobody uses; a test compares the two. It
is put together here because doing all that `send_task` does, anew for each message, costs more than sending it.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from ml.errors import StoreUnavailableError
from security.errors import MessageRejectedError
from security.messages import MessageSigner


@dataclass(frozen=True, slots=True)
class VerifiedMessage:
    """A message whose signature was checked.

    Attributes:
        message_id: the Celery task id.
        deadline_ms: epoch milliseconds after which it is worthless; 0 if it never is.
        sent_ms: epoch milliseconds at which it was sent, by the sender's clock.
        payload: the JSON text.
    """

    message_id: str
    deadline_ms: int
    sent_ms: int
    payload: str


@dataclass(frozen=True, slots=True)
class _Form:
    """What all messages of a task have in common: their queue, headers, and the last part of their body."""

    queue: str
    headers: Mapping[str, Any]
    embed: Mapping[str, Any]


class MessagePublisher:
    """Sends signed messages to the queue of their task, by the producers of Celery's own pool."""

    def __init__(self, app: Celery, signer: MessageSigner) -> None:
        self._app = app
        self._signer = signer
        self._forms: dict[str, _Form] = {}

    def connect(self) -> None:
        """Opens the connection that the next message would open.

        Raises:
            StoreUnavailableError: the broker cannot be reached.
        """
        with self._producer() as producer:
            producer.connection.ensure_connection(max_retries=1)

    def publish(self, task: str, payload: str, *, message_id: str, deadline_ms: int = 0) -> None:
        """Puts one message on its task's queue.

        Raises:
            StoreUnavailableError: the broker did not confirm it; the message may have been queued all the same.
        """
        form = self._form(task)
        with self._producer() as producer:
            producer.publish(
                ((payload,), {}, form.embed),
                exchange="",
                routing_key=form.queue,
                serializer="json",
                headers={
                    **form.headers,
                    "id": message_id,
                    "root_id": message_id,
                    "sent_at": time.time(),
                    "deadline_ms": deadline_ms,
                    "signature": self._signer.sign(task, message_id, deadline_ms, payload),
                },
                correlation_id=message_id,
                reply_to="",
                retry=False,
            )

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

    @contextmanager
    def _producer(self) -> Iterator[Any]:
        """Lends a producer; what the broker or the way to it breaks is StoreUnavailableError."""
        errors: tuple[type[Exception], ...] = (OperationalError, OSError)
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                errors += (*producer.connection.connection_errors, *producer.connection.channel_errors)
                yield producer
        except errors as error:
            raise StoreUnavailableError(f"the broker is unavailable: {error}") from error


def verify_message(signer: MessageSigner, request: Any, task: str, payload: str) -> VerifiedMessage:
    """Returns a task request's message once its signature holds.

    Args:
        signer: holds the message key.
        request: Celery's task request.
        task: the task's name.
        payload: the task's only argument.

    Raises:
        security.errors.MessageRejectedError: it is unsigned, altered or forged.
    """
    headers = request.headers or {}
    deadline_ms, sent_at = headers.get("deadline_ms"), headers.get("sent_at")
    if not isinstance(deadline_ms, int) or not isinstance(sent_at, int | float) or not math.isfinite(sent_at):
        raise MessageRejectedError("message_headers")
    signer.verify(task, request.id, deadline_ms, payload, signature=headers.get("signature"))
    return VerifiedMessage(request.id, deadline_ms, int(sent_at * 1000), payload)
