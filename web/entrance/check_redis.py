"""The admission check in Redis: the admission script and the lookup of decision records, one round trip for both.

They are two commands of one pipeline and not one script, so that each stays with its own store. Where the broker is
the same server, a request that comes alone takes its scoring message along as a third command: the message is put on
its queue if the first command admitted the request and the second found no record, and so reaches a worker one round
trip earlier. Source: ops/adr/0018.

A connection that dies in the middle is replaced and the whole round trip repeated once, unchanged: the admission script
recognises its own call, so a request that the lost one admitted is admitted once, at the price of one token, and a
replay stays a replay. A reply that takes too long is not waited for twice: the callers have gone by then. Both follow
from the client's retry policy, see `tasks.wiring.connections.answer_wait`.
"""

from collections.abc import Sequence
from dataclasses import replace
from secrets import token_hex

import redis
from redis.exceptions import RedisError

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions_redis import lookup_command, read_records
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.redis.barrier import Barrier
from ml.stores.redis.commands import Command
from ml.stores.redis.scripts_redis import LuaScript
from ml.stores.redis.server_redis import ServerCommands
from security.admission.admission_redis import RedisAdmissionControl, replay_key, replay_mark
from security.errors import AdmissionUnavailableError
from tasks.messaging.messages import SealedMessage
from web.entrance.batcher import AdmissionCall, AdmissionResult
from web.scoring.early_send import SEND_ADMITTED, EarlySend, PrepareEarlySend, send_command


class RedisAdmissionCheck:
    """Decides calls by Redis's clock and records; `client` must return raw (undecoded) replies.

    Fails closed: without Redis a replay looks like a first request. A retry may find a record that its first request
    still waits to see on disk; with `barrier` it waits as well.

    Args:
        client: of the server that has admissions and records.
        admission: makes and reads its commands.
        barrier: waits until the found records are on disk; None answers without that wait.
        prepare_early_send: prepares messages for queues of the same server; by default none leaves with an admission.
    """

    def __init__(
        self,
        client: "redis.Redis",
        admission: RedisAdmissionControl,
        *,
        barrier: Barrier | None = None,
        prepare_early_send: PrepareEarlySend = lambda _request, _deadline: None,
    ) -> None:
        self._server = ServerCommands(client)
        self._barrier = barrier
        self._admission = admission
        self._prepare_early_send = prepare_early_send
        self._scripts = (LuaScript.from_source(admission.script), SEND_ADMITTED)

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        """See `AdmissionCheck.decide`."""
        if len(calls) == 1:
            [call] = calls
            # The third command reads the mark of a signature to know that the first admitted the request.
            if call.scoring is not None and call.request.replay_key is not None:
                early = self._prepare_early_send(call.scoring, call.deadline)
                if early is not None:
                    return [self._decide_and_send(call, early)]
        return self._decide(calls)[0]

    def _decide_and_send(self, call: AdmissionCall, early: EarlySend) -> AdmissionResult:
        was_sent = False
        try:
            [result], was_sent = self._decide([call], early.message)
        finally:
            early.confirm(was_sent)
        return replace(result, scoring_call=early.call) if was_sent else result

    def _decide(
        self, calls: Sequence[AdmissionCall], message: SealedMessage | None = None
    ) -> tuple[list[AdmissionResult], bool]:
        """Returns the results, and whether the message, which is the only call's, was sent."""
        requests = [call.request for call in calls]
        transaction_ids = [name for call in calls for name in call.transaction_ids]
        call_id = token_hex(8)
        commands: list[Command] = [self._admission.command(requests, call_id=call_id)]
        if transaction_ids:
            commands.append(lookup_command(transaction_ids))
        if message is not None:
            commands.append(_send_command(calls[0], message, mark=replay_mark(call_id, 0)))
        try:
            replies = self._server.run(commands, scripts=self._scripts)
            if self._barrier is not None and transaction_ids and any(replies[1]):
                self._barrier.wait()
        except (StoreUnavailableError, RedisError) as error:
            raise AdmissionUnavailableError("replay and rate limits cannot be checked") from error
        admissions = self._admission.read(requests, replies[0])
        records = iter(read_records(replies[1]) if transaction_ids else ())
        results = [
            AdmissionResult(admission, {name: record for name in call.transaction_ids if (record := next(records))})
            for call, admission in zip(calls, admissions, strict=True)
        ]
        return results, message is not None and replies[-1] == 1


def _send_command(call: AdmissionCall, message: SealedMessage, *, mark: str) -> Command:
    [transaction_id] = call.transaction_ids
    return send_command(
        message,
        replay_key=replay_key(call.request.replay_key, call.request.subject),
        mark=mark,
        decision_key=decision_key(transaction_id),
    )
