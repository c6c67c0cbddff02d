"""Signed Celery messages: what leaves the web process is what the worker runs, or nothing.

The payload travels as one JSON text, so that the signature covers the very bytes that are decoded.
"""

import math
import time
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


class MessagePublisher:
    """Sends signed messages to the queue of their task."""

    def __init__(self, app: Celery, signer: MessageSigner) -> None:
        self._app = app
        self._signer = signer

    def connect(self) -> None:
        """Opens the connection that the next message would open.

        Raises:
            StoreUnavailableError: the broker cannot be reached.
        """
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                producer.connection.ensure_connection(max_retries=1)
        except (OperationalError, OSError) as error:
            raise StoreUnavailableError(f"the broker is unavailable: {error}") from error

    def publish(self, task: str, payload: str, *, message_id: str, deadline_ms: int = 0) -> None:
        """Puts one message on its task's queue.

        Raises:
            StoreUnavailableError: the broker did not confirm it; the message may have been queued all the same.
        """
        headers = {
            "sent_at": time.time(),
            "deadline_ms": deadline_ms,
            "signature": self._signer.sign(task, message_id, deadline_ms, payload),
        }
        try:
            self._app.send_task(
                task,
                args=(payload,),
                task_id=message_id,
                headers=headers,
                # Rendering arguments for events costs time and would put transactions into Flower.
                argsrepr="(signed)",
                kwargsrepr="{}",
                retry=False,
                ignore_result=True,
            )
        except (OperationalError, OSError) as error:
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
