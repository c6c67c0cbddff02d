"""Early sends: a lone request's scoring message leaves with its admission, one round trip earlier than by itself.

1. `prepare_early_send`: while the backlog is idle, the message is made and counts as in flight.
2. `send_command`: the admission check sends it, as one more command of its round trip (`send_admitted.lua`).
3. `EarlySend.confirm`: the admission check reports whether the message was sent; until then nothing else leaves.

Source: ops/adr/0018.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ml.domain.scoring_batch import ScoringRequest
from ml.stores.redis.commands import Command
from ml.stores.redis.scripts_redis import LuaScript
from tasks.messaging.messages import SealedMessage
from web.scoring.backlog import Backlog
from web.scoring.batch import Batch, BatchInFlight
from web.scoring.scoring_call import QueuedRequest, ScoringCall

SEND_ADMITTED = LuaScript.from_source(Path(__file__).with_name("send_admitted.lua").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class EarlySend:
    """A scoring message on its way with an admission.

    Attributes:
        message: to be put on its queue, once.
        call: of its one request.
        confirm: takes whether the message was sent. If that is uncertain, it counts as not sent: the caller is refused,
            and a reply, if one comes, is dropped.
    """

    message: SealedMessage
    call: ScoringCall
    confirm: Callable[[bool], None]


PrepareEarlySend = Callable[[ScoringRequest, float], EarlySend | None]
"""Returns the early send of a request with its deadline, None if its message has to go the usual way."""


def prepare_early_send(
    backlog: Backlog, request: ScoringRequest, timeout_seconds: float, *, seal: Callable[[Batch], SealedMessage | None]
) -> EarlySend | None:
    """Returns the early send of a request; None unless the backlog is idle and there is a queue for its message.

    Args:
        backlog: of the dispatcher that awaits the reply.
        request: the lone request.
        timeout_seconds: its longest wait, from now.
        seal: makes the signed message of a batch; returns None if there is no queue.
    """
    with backlog.changed:
        if not backlog.is_idle:
            return None
        call = ScoringCall.of(1, timeout_seconds)
        batch = BatchInFlight.of([QueuedRequest(request, call, 0)])
        content = batch.message()
        message = seal(content)
        if message is None:
            return None
        backlog.begin_early(content.batch_id, batch)
    return EarlySend(message, call, lambda was_sent: backlog.end_early(was_sent=was_sent))


def send_command(message: SealedMessage, *, replay_key: str, mark: str, decision_key: str) -> Command:
    """Returns the command that puts a message on its queue if its request was admitted and nothing is recorded yet.

    Args:
        message: the scoring message.
        replay_key: of the request's signature.
        mark: the content of that key if the admission of this round trip wrote it.
        decision_key: of the request's transaction.
    """
    keys = replay_key, decision_key, message.queue
    return ("EVALSHA", SEND_ADMITTED.sha, len(keys), *keys, mark, message.content)
