"""The entrance's check where scoring is sharded: admission, old records and placements, one round trip for all three.

All three are on REDIS_URL, which every request asks anyway. A transaction is placed before it is known whether its
request may pass; what is refused has then been placed and nothing else, and goes to the same shard when it is sent
again. For lost connections see `web.entrance.check_redis`: a placement that is asked for twice is the same.
"""

from collections.abc import Iterator, Sequence

import redis
from redis.exceptions import RedisError

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions_redis import lookup_command, read_records
from ml.stores.placements.placements import Placement
from ml.stores.placements.placements_redis import RedisPlacements
from ml.stores.placements.rendezvous import choose
from ml.stores.redis.commands import Command
from ml.stores.redis.fsync_redis import RedisFsync
from ml.stores.redis.scripts_redis import LuaScript
from ml.stores.redis.server_redis import ServerCommands
from security.admission.admission_redis import RedisAdmissionControl
from security.errors import AdmissionUnavailableError
from web.entrance.batcher import Arrival, Passage


class RedisShardedEntranceCheck:
    """Judges arrivals by Redis's clock and records, and places their transactions.

    Fails closed: without Redis a replay cannot be told from a first request, nor a new transaction from a decided one.

    Args:
        client: must return raw (undecoded) replies.
        admission: its calls.
        placements: likewise.
        open_shards: those that take new transactions.
        fsync: waits until what was placed or found is on disk; without it nobody waits for that.
    """

    def __init__(
        self,
        client: "redis.Redis",
        admission: RedisAdmissionControl,
        placements: RedisPlacements,
        *,
        open_shards: Sequence[str],
        fsync: RedisFsync | None = None,
    ) -> None:
        self._server = ServerCommands(client)
        self._fsync = fsync
        self._admission = admission
        self._placements = placements
        self._open_shards = tuple(open_shards)
        self._scripts = (LuaScript.from_source(admission.script), placements.script)

    def judge(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        """See `EntranceCheck.judge`."""
        requests = [arrival.request for arrival in arrivals]
        proposals = [
            (transaction_id, choose(self._open_shards, customer_id))
            for arrival in arrivals
            for transaction_id, customer_id in zip(arrival.transaction_ids, arrival.customer_ids, strict=True)
        ]
        commands: list[Command] = [self._admission.command(requests)]
        if proposals:
            commands += (
                lookup_command([transaction_id for transaction_id, _ in proposals]),
                self._placements.command(proposals),
            )
        try:
            replies = self._server.run(commands, scripts=self._scripts)
            if self._fsync is not None and proposals:
                self._fsync.wait()
        except (StoreUnavailableError, RedisError) as error:
            raise AdmissionUnavailableError("replay and rate limits cannot be checked") from error
        admissions = self._admission.read(requests, replies[0])
        records = iter(read_records(replies[1]) if proposals else ())
        placed: Iterator[Placement] = iter(self._placements.read(proposals, replies[2]) if proposals else ())
        passages = []
        for arrival, admission in zip(arrivals, admissions, strict=True):
            names = arrival.transaction_ids
            found = {name: record for name in names if (record := next(records)) is not None}
            passages.append(Passage(admission, found, {name: next(placed) for name in names}))
        return passages
