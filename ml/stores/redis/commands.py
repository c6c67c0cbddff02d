"""Where a store's commands run: on one Redis server or on a cluster; the store does not know which."""

from collections.abc import Sequence
from typing import Any, Protocol

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.scripts_redis import LuaScript

Command = tuple[str | bytes | int, ...]
"""A command: `EVALSHA sha n key …`, or one whose first argument is a key, as `SET key …`. On a cluster, of one key."""


def key_of(command: Command) -> str | bytes | int:
    """Returns the key that a command works on."""
    return command[3] if command[0] == "EVALSHA" else command[1]


class UnansweredError(StoreUnavailableError):
    """Some commands, or all, were not answered; those that were have taken effect.

    Attributes:
        replies: of all commands in order, with an exception in the place of each reply that did not come.
    """

    def __init__(self, message: str, replies: Sequence[Any]) -> None:
        super().__init__(message)
        self.replies = replies


class CommandRunner(Protocol):
    """Runs batches of commands."""

    def run(
        self, commands: Sequence[Command], *, scripts: Sequence[LuaScript] = (), within_seconds: float | None = None
    ) -> list[Any]:
        """Sends the commands in one round trip per server and returns their raw replies, in order.

        Commands on the same key take effect in the order given. A command may be sent, and take effect, more than
        once: after a failure the unanswered part goes out again, so every command must bear repetition.

        Args:
            commands: what to run.
            scripts: the scripts that the commands name; a server that does not know them is taught.
            within_seconds: when the caller's time is over, if that is sooner than the runner's own patience. Of several
                servers a silent one costs the commands of the others nothing but this wait.

        Raises:
            UnansweredError: some of several servers did not answer.
            StoreUnavailableError: some commands were not answered; they may have taken effect all the same.
            redis.exceptions.ResponseError: the server refuses a command for good, which is a programming error.
        """
        ...
