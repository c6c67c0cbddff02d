"""Batches of commands on one Redis server: one pipeline each."""

from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import NoScriptError

from ml.stores.redis.commands import Command, UnansweredError
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.refusals_redis import is_wrong_type
from ml.stores.redis.scripts_redis import LuaScript


class ServerCommands:
    """Runs commands on one server; `client` must return raw (undecoded) replies, and its time-outs bound each wait."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes

    def run(
        self,
        commands: Sequence[Command],
        *,
        scripts: Sequence[LuaScript] = (),
        within_seconds: float | None = None,  # noqa: ARG002 - the protocol's signature
    ) -> list[Any]:
        """See `CommandRunner.run`; a server that has forgotten the scripts gets them and then all commands again.

        Raises:
            UnansweredError: some keys hold what somebody else wrote; the other commands were answered.
        """
        with redis_failures_as_unavailable():
            replies = self._send(commands)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                for script in scripts:
                    self._client.script_load(script.source)
                replies = self._send(commands)
            failures = [reply for reply in replies if isinstance(reply, Exception)]
            for failure in failures:
                if not is_wrong_type(failure):
                    raise failure
        if failures:
            message = f"Redis holds something else under a key of ours: {failures[0]}"
            raise UnansweredError(message, replies) from failures[0]
        return replies

    def _send(self, commands: Sequence[Command]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = pipeline.execute(raise_on_error=False)
        return replies
