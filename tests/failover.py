"""Two servers and one address: what a managed failover looks like to a client."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
import redis

from ops.embedded.valkey import valkey
from ops.processes.ports import LOOPBACK, free_port
from ops.proving.chaos.platform.proxy import Proxy


def folder(path: Path) -> Path:
    """Makes a folder."""
    path.mkdir()
    return path


def port_of(url: str) -> int:
    """Returns the port in a URL."""
    return int(url.rsplit(":", 1)[1].removesuffix("/0"))


class FailoverPair:
    """Two servers, and one address that leads to the first until a failover."""

    def __init__(self, proxy: Proxy, old: str, new: str) -> None:
        self.address = f"redis://{LOOPBACK}:{proxy.port}/0"
        self.old, self.new = redis.Redis.from_url(old), redis.Redis.from_url(new)
        self._proxy = proxy
        self._new_port = port_of(new)
        for server in (self.old, self.new):
            server.config_set("shutdown-timeout", 0)  # or it waits for its replica at the end
            server.config_set("busy-reply-threshold", 1)

    def fail_over(self, *, following: bool = True) -> None:
        """The address leads to the second server from now on; the first is a replica, its connections stay open."""
        self._proxy._target_port = self._new_port
        self.old.replicaof(LOOPBACK, self._new_port if following else free_port())

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The first server runs a script for the length of a block."""

        def run_for_ever() -> None:
            with pytest.raises(redis.ResponseError, match="killed"):
                self.old.eval("while true do end", 0)

        script = Thread(target=run_for_ever, daemon=True)
        script.start()
        yield
        self.old.script_kill()
        script.join(60)


@contextmanager
def failover_pair(path: Path) -> Iterator[FailoverPair]:
    """Serves both from folders of their own."""
    with ExitStack() as stack:
        old, new = (stack.enter_context(valkey(folder(path / name))) for name in ("old", "new"))
        yield FailoverPair(stack.enter_context(Proxy(port_of(old), free_port())), old, new)
