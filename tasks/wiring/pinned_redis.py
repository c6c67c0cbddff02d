"""A Redis connection that stays with its user."""

import os
import threading
from typing import Any

from redis import ConnectionPool


class PinnedConnectionPool(ConnectionPool):
    """Lends one and the same connection, to one user at a time.

    redis-py's own pool asks the operating system before each loan whether the connection is still silent. Under gevent
    that question takes longer than most commands. Here a connection that the server closed is found by the command
    that meets it, so its client needs a retry for connection errors. After a fork the child connects anew.
    """

    def reset(self) -> None:
        """Forgets the connection, which after a fork is the parent's."""
        super().reset()
        self._loan = threading.Lock()
        self._pinned: Any = None

    def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> Any:  # noqa: ARG002 - redis-py's own signature
        """Lends the connection; another user waits meanwhile."""
        if self.pid != os.getpid():
            self.reset()
        self._loan.acquire()
        if self._pinned is None:
            self._pinned = self.make_connection()
        return self._pinned

    def release(self, connection: Any) -> None:  # noqa: ARG002 - redis-py's own signature
        """Takes the connection back, connected as it is."""
        self._loan.release()

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's own signature
        """Closes the connection; the next loan opens it again."""
        super().disconnect(inuse_connections)
        if self._pinned is not None:
            self._pinned.disconnect()
