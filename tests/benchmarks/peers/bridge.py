"""Lets the platform's synchronous stores wait on asyncio: each call runs in a greenlet that hands its awaits out.

So the two-hop peer overlaps its waits for Redis as any asyncio service does, with the very same code at work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import redis.asyncio
from greenlet import getcurrent, greenlet
from redis.exceptions import NoScriptError

from ml.stores.redis.commands import Command
from ml.stores.redis.scripts_redis import LuaScript

T = TypeVar("T")


async def bridged(function: Callable[..., T], *arguments: Any) -> T:
    """Runs a function whose `wait` calls are awaited here."""
    worker = greenlet(function)
    yielded = worker.switch(*arguments)
    while not worker.dead:
        try:
            value = await yielded
        except Exception as error:  # noqa: BLE001 - whatever failed, fails where it was waited for
            yielded = worker.throw(error)
        else:
            yielded = worker.switch(value)
    result: T = yielded
    return result


def wait(awaitable: Awaitable[T]) -> T:
    """Returns the awaitable's result, inside of `bridged`."""
    outside = getcurrent().parent
    assert outside is not None
    result: T = outside.switch(awaitable)
    return result


class BridgedRedis:
    """The few methods of redis-py's client that the platform's stores use, on an asyncio connection pool."""

    def __init__(self, url: str, *, connections: int) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=connections, timeout=5)
        self.client: Any = redis.asyncio.Redis(connection_pool=pool)

    def register_script(self, source: str) -> Callable[..., Any]:
        """Returns a callable that runs the script."""
        script = self.client.register_script(source)
        return lambda keys=(), args=(): wait(script(keys=keys, args=args))

    def mget(self, keys: Sequence[str]) -> Any:
        """Returns the values."""
        return wait(self.client.mget(keys))


class BridgedCommands:
    """A command runner: one pipeline per batch."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, commands: Sequence[Command], *, scripts: Sequence[LuaScript] = ()) -> list[Any]:
        """See `ml.stores.redis.commands.CommandRunner.run`."""
        replies = wait(self._send(commands))
        if any(isinstance(reply, NoScriptError) for reply in replies):
            for script in scripts:
                wait(self._client.script_load(script.source))
            replies = wait(self._send(commands))
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies


def use_fast_loop() -> None:
    """Makes uvloop the event loop."""
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
