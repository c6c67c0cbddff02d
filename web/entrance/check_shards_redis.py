"""The admission check where scoring is sharded: admission, old records and placements, one round trip for all three.

All three are on REDIS_URL, which every request asks anyway. A transaction is placed before it is known whether its
request is admitted; a refused one has then been placed and nothing else, and goes to the same shard when it is sent
again. For lost connections see `web.entrance.check_redis`: placing twice gives the same shard.
"""

from collections.abc import Iterator, Sequence

import redis
from redis.exceptions import RedisError

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions_redis import lookup_command, read_records
from ml.stores.placements.placements import Placement
from ml.stores.placements.placements_redis import RedisPlacements
from ml.stores.placements.rendezvous import choose
from ml.stores.redis.barrier import Barrier
from ml.stores.redis.commands import Command
from ml.stores.redis.scripts_redis import LuaScript
from ml.stores.redis.server_redis import ServerCommands
from security.admission.admission_redis import RedisAdmissionControl
from security.errors import AdmissionUnavailableError
from web.entrance.batcher import AdmissionCall, AdmissionResult


class ShardedRedisAdmissionCheck:
    """Decides calls by Redis's clock and records, and places their transactions.

    Fails closed: without Redis a replay looks like a first request, and a decided transaction like a new one.

    Args:
        client: must return raw (undecoded) replies.
        admission: makes and reads its commands.
        placements: likewise.
        open_shards: those that take new transactions.
        barrier: waits until placements and found records are on disk; None answers without that wait.
    """

    def __init__(
        self,
        client: "redis.Redis",
        admission: RedisAdmissionControl,
        placements: RedisPlacements,
        *,
        open_shards: Sequence[str],
        barrier: Barrier | None = None,
    ) -> None:
        self._server = ServerCommands(client)
        self._barrier = barrier
        self._admission = admission
        self._placements = placements
        self._open_shards = tuple(open_shards)
        self._scripts = (LuaScript.from_source(admission.script), placements.script)

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        """See `AdmissionCheck.decide`."""
        requests = [call.request for call in calls]
        proposals = [
            (transaction_id, choose(self._open_shards, customer_id))
            for call in calls
            for transaction_id, customer_id in zip(call.transaction_ids, call.customer_ids, strict=True)
        ]
        commands: list[Command] = [self._admission.command(requests)]
        if proposals:
            commands += (
                lookup_command([transaction_id for transaction_id, _ in proposals]),
                self._placements.command(proposals),
            )
        try:
            replies = self._server.run(commands, scripts=self._scripts)
            if self._barrier is not None and proposals:
                self._barrier.wait()
        except (StoreUnavailableError, RedisError) as error:
            raise AdmissionUnavailableError("replay and rate limits cannot be checked") from error
        admissions = self._admission.read(requests, replies[0])
        records = iter(read_records(replies[1]) if proposals else ())
        placed: Iterator[Placement] = iter(self._placements.read(proposals, replies[2]) if proposals else ())
        results = []
        for call, admission in zip(calls, admissions, strict=True):
            names = call.transaction_ids
            found = {name: record for name in names if (record := next(records)) is not None}
            results.append(AdmissionResult(admission, found, {name: next(placed) for name in names}))
        return results
