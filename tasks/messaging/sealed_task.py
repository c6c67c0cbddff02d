"""The base of every task: a message runs only if it is signed, unaltered, in time and new; anything else is dropped.

Write access to the broker is therefore not enough to make a worker do something. Follow-up tasks
(callbacks, chains, chords) are outside the signature and no part of this platform: a message that names one is dropped.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery import Task
from celery.exceptions import Ignore

from observability import metrics
from security.errors import MessageRejectedError
from security.messages.message_replays import SeenMessages
from security.messages.message_signer import MessageSigner
from tasks.services import require

_LATEST_EPOCH_SECONDS = 253_402_300_799  # year 9999

_log = logging.getLogger(__name__)


class MessageGate:
    """Lets each message of ours in once.

    Args:
        signer: holds the message key.
        seen: the messages that this process has taken.
        now_ms: the clock, epoch milliseconds.
    """

    def __init__(
        self,
        signer: MessageSigner,
        seen: SeenMessages,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._signer = signer
        self._seen = seen
        self._now_ms = now_ms

    def check(self, task: str, request: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Returns if the message may run.

        A payload's deadline is left to the task: the scoring pipeline itself drops and counts late transactions.

        Args:
            task: the name of the task that would run.
            request: Celery's task request.
            args: its arguments: none, or one text.
            kwargs: nothing.

        Raises:
            security.errors.MessageRejectedError: it is unsigned, altered, forged, replayed or too old.
        """
        headers = request.headers or {}
        deadline_ms, sent_at = headers.get("deadline_ms"), headers.get("sent_at")
        if not isinstance(request.id, str) or not isinstance(deadline_ms, int) or not isinstance(sent_at, int | float):
            raise MessageRejectedError("message_headers")
        # Of an integer without a bound no float can be made, and a NaN lies between no two numbers.
        if not 0 <= deadline_ms <= _LATEST_EPOCH_SECONDS * 1000 or not 0 <= sent_at <= _LATEST_EPOCH_SECONDS:
            raise MessageRejectedError("message_headers")
        payload = message_payload(args, kwargs)
        if request.callbacks or request.errbacks or request.chain or request.chord:
            raise MessageRejectedError("message_body")
        self._signer.verify(task, request.id, deadline_ms, payload, signature=headers.get("signature"))
        if not args and self._now_ms() > deadline_ms:
            raise MessageRejectedError("message_expired")
        self._seen.take(request.id, deadline_ms)


def message_payload(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Returns the part of a task's arguments that the signature covers.

    Raises:
        security.errors.MessageRejectedError: `message_body`: they are neither nothing nor one text.
    """
    if not args and not kwargs:
        return ""
    if len(args) == 1 and not kwargs and isinstance(args[0], str):
        return args[0]
    raise MessageRejectedError("message_body")


class SealedTask(Task):  # type: ignore[misc,unused-ignore]
    """A task that runs only what the process's `MessageGate` lets in; Celery's built-in tasks are such tasks too."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Checks the message under way, then runs the task; a message that is refused is counted and gone."""
        try:
            require(MessageGate).check(self.name, self.request, args, kwargs)
        except MessageRejectedError as error:
            metrics.auth_failures_total.labels(reason=error.reason).inc()
            _log.warning("message dropped", extra={"reason": error.reason, "task": self.name, "id": self.request.id})
            # Ignored, not returned: a task that returns runs its message's callbacks.
            raise Ignore from error
        return self.run(*args, **kwargs)
