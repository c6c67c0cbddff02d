"""The entrance's check in Redis: the admission script and the lookup of decision records, one round trip for both.

They are two commands of one pipeline and not one script, so that each stays in its own store's hands. Where the broker
is the same server, a request that comes alone takes its scoring message along as a third: it is put on its queue if
the first admitted the request and no record was there, and so reaches a worker one round trip earlier. Source:
ops/adr/0018.

A connection that dies in the middle is replaced and the whole round trip repeated once, unchanged: the admission script
recognises its own call, so a request that the lost one admitted is admitted once, at the price of one token, and a
replay stays a replay. A reply that takes too long is not waited for twice: the callers have gone by then. Both are
matters of the client's retry policy, see `tasks.wiring.stores.connect_redis`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import redis
from redis.exceptions import RedisError

from ml.domain.errors import StoreUnavailableError
from ml.domain.scoring_batch import ScoringRequest
from ml.stores.decisions.decisions_redis import lookup_command, read_records
from ml.stores.redis.commands import Command
from ml.stores.redis.fsync_redis import RedisFsync
from ml.stores.redis.keys_redis import decision_key
from ml.stores.redis.scripts_redis import LuaScript
from ml.stores.redis.server_redis import ServerCommands
from security.admission.admission_redis import RedisAdmissionControl, replay_key, replay_mark
from security.errors import AdmissionUnavailableError
from tasks.messaging.messages import SealedMessage
from web.dispatch.dispatcher import Reservation
from web.entrance.batcher import Arrival, Passage

_SEND_ADMITTED = LuaScript.from_source(Path(__file__).with_name("send_admitted.lua").read_text(encoding="utf-8"))

Reserve = Callable[[ScoringRequest], Reservation | None]
"""Returns the message of a request if it may be sent at once."""


class RedisEntranceCheck:
    """Judges arrivals by Redis's clock and records; `client` must return raw (undecoded) replies.

    Fails closed: without Redis a replay cannot be told from a first request. A retry may find a record that its first
    request still waits to see on disk; with `fsync` it waits as well.

    Args:
        client: of the server that has admissions and records.
        admission: its calls.
        fsync: waits until what was found is on disk; without it nobody waits for that.
        reserve: returns messages for queues of the same server; without it every message goes another way.
    """

    def __init__(
        self,
        client: "redis.Redis",
        admission: RedisAdmissionControl,
        *,
        fsync: RedisFsync | None = None,
        reserve: Reserve = lambda _request: None,
    ) -> None:
        self._server = ServerCommands(client)
        self._fsync = fsync
        self._admission = admission
        self._reserve = reserve
        self._scripts = (LuaScript.from_source(admission.script), _SEND_ADMITTED)

    def judge(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        """See `EntranceCheck.judge`."""
        if len(arrivals) == 1:
            [arrival] = arrivals
            # Only the mark of a signature tells the third command that the first admitted the request.
            if arrival.scoring is not None and arrival.request.replay_key is not None:
                reservation = self._reserve(arrival.scoring)
                if reservation is not None:
                    return [self._judge_and_send(arrival, reservation)]
        return self._judge(arrivals)[0]

    def _judge_and_send(self, arrival: Arrival, reservation: Reservation) -> Passage:
        was_sent = False
        try:
            [passage], was_sent = self._judge([arrival], reservation.message)
        finally:
            reservation.settle(was_sent)
        return replace(passage, ticket=reservation.ticket) if was_sent else passage

    def _judge(self, arrivals: Sequence[Arrival], message: SealedMessage | None = None) -> tuple[list[Passage], bool]:
        """Returns the passages, and whether the message, which is the only arrival's, was sent."""
        requests = [arrival.request for arrival in arrivals]
        transaction_ids = [name for arrival in arrivals for name in arrival.transaction_ids]
        call_id = token_hex(8)
        commands: list[Command] = [self._admission.command(requests, call_id=call_id)]
        if transaction_ids:
            commands.append(lookup_command(transaction_ids))
        if message is not None:
            commands.append(_send_command(arrivals[0], message, mark=replay_mark(call_id, 0)))
        try:
            replies = self._server.run(commands, scripts=self._scripts)
            if self._fsync is not None and transaction_ids and any(replies[1]):
                self._fsync.wait()
        except (StoreUnavailableError, RedisError) as error:
            raise AdmissionUnavailableError("replay and rate limits cannot be checked") from error
        admissions = self._admission.read(requests, replies[0])
        records = iter(read_records(replies[1]) if transaction_ids else ())
        passages = [
            Passage(admission, {name: record for name in arrival.transaction_ids if (record := next(records))})
            for arrival, admission in zip(arrivals, admissions, strict=True)
        ]
        return passages, message is not None and replies[-1] == 1


def _send_command(arrival: Arrival, message: SealedMessage, *, mark: str) -> Command:
    [transaction_id] = arrival.transaction_ids
    keys = replay_key(arrival.request.replay_key), decision_key(transaction_id), message.queue
    return ("EVALSHA", _SEND_ADMITTED.sha, len(keys), *keys, mark, message.content)
