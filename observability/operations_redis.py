"""A Redis client that counts its round trips by operation in `redis_ops_total`.

An operation is a command's name in lower case; a pipeline is one round trip and counts once, as `pipeline`.
Only our own code names commands, so the label's values are few.
"""

from typing import Any

import redis
from redis.client import Pipeline

from observability import metrics


class CountingRedis(redis.Redis):
    """Like `redis.Redis`, counted."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Sends one command and returns its reply."""
        count_operation(args[0])
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # published without types

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's own signature
        """Returns a pipeline whose execution is counted."""
        return _CountingPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _CountingPipeline(Pipeline):
    """Like redis-py's pipeline, counted once per execution."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's own signature
        """Sends the queued commands and returns their replies."""
        if self.command_stack:
            count_operation("pipeline")
        return super().execute(raise_on_error)


def count_operation(operation: Any) -> None:
    """Counts one round trip of the operation."""
    name = operation.decode() if isinstance(operation, bytes) else str(operation)
    metrics.redis_ops_total.labels(name.partition(" ")[0].lower()).inc()
