"""One cluster node's share of a batch: sent now, read later, so that the nodes work at the same time."""

import time
from collections.abc import Sequence
from typing import Any

from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ml.stores.redis.commands import Command
from ml.stores.redis.scripts_redis import LuaScript

CONNECTION_FAILURES = (RedisConnectionError, RedisTimeoutError, OSError)
"""How a lost, refusing, silent or still loading server shows."""

_SHORTEST_WAIT_SECONDS = 0.01


class NodePipeline:
    """Commands for one node, on a connection of its own: add them, `send`, `receive`, and `close` whatever happens.

    Attributes:
        failure: how the connection failed; None while it works.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self.failure: Exception | None = None
        self._pool: Any = pool  # redis-py annotates its connections in part only
        self._connection: Any = None
        self._commands: list[Command] = []
        self._positions: list[int | None] = []  # None: the reply is of no interest
        self._is_taught = False
        self._is_awaiting = False

    def teach(self, scripts: Sequence[LuaScript]) -> None:
        """Appends the upload of the scripts, once."""
        if not self._is_taught:
            self._is_taught = True
            for script in scripts:
                self._append(None, ("SCRIPT", "LOAD", script.source))

    def add(self, position: int, command: Command, *, is_asking: bool = False) -> None:
        """Appends a command, whose reply belongs at the position.

        Args:
            position: where `receive` puts the reply.
            command: what to send.
            is_asking: the slot is on its way to this node, and the node that still owns it has sent the command here.
        """
        if is_asking:
            self._append(None, ("ASKING",))
        self._append(position, command)

    def send(self) -> None:
        """Sends the commands and waits for nothing, except for a connection if there is none."""
        try:
            self._connection = self._pool.get_connection()
            self._is_awaiting = True
            self._connection.send_packed_command(self._connection.pack_commands(self._commands))
        except CONNECTION_FAILURES as error:
            self.failure = error

    def receive(self, replies: list[Any], *, until: float) -> None:
        """Puts each reply, or the exception instead of it, at its position; `until` is a monotonic time."""
        for position in self._positions:
            reply = self.failure or self._read(until)
            if position is not None:
                replies[position] = reply
        self._is_awaiting = False

    def close(self) -> None:
        """Gives the connection back; hangs up first if replies may still come."""
        if self._connection is not None:
            if self._is_awaiting or self.failure is not None:
                self._connection.disconnect()
            self._pool.release(self._connection)

    def _append(self, position: int | None, command: Command) -> None:
        self._positions.append(position)
        self._commands.append(command)

    def _read(self, until: float) -> Any:
        try:
            return self._connection.read_response(timeout=max(until - time.monotonic(), _SHORTEST_WAIT_SECONDS))
        except ResponseError as error:
            return error
        except CONNECTION_FAILURES as error:
            self.failure = error
            return error
