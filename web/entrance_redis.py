"""The entrance's check in Redis: the admission script and the lookup of decision records, one round trip for both.

They are two commands of one pipeline and not one script, so that each stays in its own store's hands.

A connection that dies in the middle is replaced and the whole round trip repeated once, unchanged: the admission script
recognises its own call, so a request that the lost one admitted is admitted once, at the price of one token, and a
replay stays a replay. A reply that takes too long is not waited for twice: the callers have gone by then. Both are
matters of the client's retry policy, see `tasks.wiring.connect_redis`.
"""

from collections.abc import Sequence

import redis
from redis.exceptions import RedisError

from ml.errors import StoreUnavailableError
from ml.stores.commands import Command
from ml.stores.decisions_redis import lookup_command, read_records
from ml.stores.fsync_redis import RedisFsync
from ml.stores.scripts_redis import LuaScript
from ml.stores.server_redis import ServerCommands
from security.admission_redis import RedisAdmissionControl
from security.errors import AdmissionUnavailableError
from web.entrance import Arrival, Passage


class RedisEntranceCheck:
    """Judges arrivals by Redis's clock and records; `client` must return raw (undecoded) replies.

    Fails closed: without Redis a replay cannot be told from a first request. A retry may find a record that its first
    request still waits to see on disk; with `fsync` it waits as well.
    """

    def __init__(
        self, client: "redis.Redis", admission: RedisAdmissionControl, *, fsync: RedisFsync | None = None
    ) -> None:
        self._server = ServerCommands(client)
        self._fsync = fsync
        self._admission = admission
        self._scripts = (LuaScript.from_source(admission.script),)

    def judge(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        """See `EntranceCheck.judge`."""
        requests = [arrival.request for arrival in arrivals]
        transaction_ids = [name for arrival in arrivals for name in arrival.transaction_ids]
        commands: list[Command] = [self._admission.command(requests)]
        if transaction_ids:
            commands.append(lookup_command(transaction_ids))
        try:
            replies = self._server.run(commands, scripts=self._scripts)
            if self._fsync is not None and transaction_ids and any(replies[1]):
                self._fsync.wait()
        except (StoreUnavailableError, RedisError) as error:
            raise AdmissionUnavailableError("replay and rate limits cannot be checked") from error
        admissions = self._admission.read(requests, replies[0])
        records = iter(read_records(replies[1]) if transaction_ids else ())
        return [
            Passage(admission, {name: record for name in arrival.transaction_ids if (record := next(records))})
            for arrival, admission in zip(arrivals, admissions, strict=True)
        ]
