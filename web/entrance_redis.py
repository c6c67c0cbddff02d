"""The entrance's check in Redis: the admission script and the lookup of decision records, one round trip for both.

They are two commands of one pipeline and not one script, so that each stays in its own store's hands.

A connection that dies in the middle is replaced and the whole round trip repeated once, unchanged: the admission script
recognises its own call, so a request that the lost one admitted is admitted once, at the price of one token, and a
replay stays a replay. A reply that takes too long is not waited for twice: the callers have gone by then.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import redis
from redis.exceptions import NoScriptError, RedisError

from ml.stores.decisions_redis import lookup_command, read_records
from security.admission_redis import RedisAdmissionControl
from security.errors import AdmissionUnavailableError
from web.entrance import Arrival, Passage

_Command = tuple[str | int | float, ...]


class RedisEntranceCheck:
    """Judges arrivals by Redis's clock and records; `client` must return raw (undecoded) replies.

    Fails closed: without Redis a replay cannot be told from a first request.
    """

    def __init__(self, client: "redis.Redis", admission: RedisAdmissionControl) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._admission = admission

    def judge(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        """See `EntranceCheck.judge`."""
        requests = [arrival.request for arrival in arrivals]
        transaction_ids = [name for arrival in arrivals for name in arrival.transaction_ids]
        commands: list[_Command] = [self._admission.command(requests)]
        if transaction_ids:
            commands.append(lookup_command(transaction_ids))
        try:
            replies = self._ask(commands)
        except (RedisError, OSError) as error:
            raise AdmissionUnavailableError("replay and rate limits cannot be checked") from error
        admissions = self._admission.read(requests, replies[0])
        records = iter(read_records(replies[1]) if transaction_ids else ())
        return [
            Passage(admission, {name: record for name in arrival.transaction_ids if (record := next(records))})
            for arrival, admission in zip(arrivals, admissions, strict=True)
        ]

    def _ask(self, commands: Sequence[_Command]) -> list[Any]:
        """Returns the replies; a server that lost its scripts gets them again and is asked once more."""
        replies = self._send(commands)
        if isinstance(replies[0], NoScriptError):
            self._client.script_load(self._admission.script)
            replies = self._send(commands)
        for failure in _failures(replies):
            raise failure
        return replies

    def _send(self, commands: Sequence[_Command]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies


def _failures(replies: Sequence[Any]) -> Iterator[Exception]:
    return (reply for reply in replies if isinstance(reply, Exception))
