"""The suite's own servers, each behind a proxy: killed, frozen and started again at will."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ops.embedded import kafka, mongo, valkey
from ops.processes.ports import accepts, free_port, wait_until
from ops.processes.spawn import spawn, stop
from ops.proving.chaos.platform.disk import small_disk
from ops.proving.chaos.platform.proxy import Proxy
from settings import Settings

_REWRITE_MEGABYTES = 64  # the suite's disks are small


@dataclass
class Server:
    """A server process that keeps its port and its folder over any number of lives.

    Attributes:
        port: its own port; clients of the platform come through the proxy, the suite does not.
        folder: its data.
    """

    name: str
    command: Sequence[str]
    port: int
    folder: Path
    log: Path
    is_healthy: Callable[[], bool]
    proxy: Proxy
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        """The process id of the present life."""
        if self.process is None:
            raise LookupError(f"{self.name} does not run")
        return self.process.pid

    def start(self) -> None:
        """Starts it and waits until it serves.

        Raises:
            ops.errors.ServerStartError: it does not.
        """
        with self.log.open("ab") as output:
            self.process = spawn(self.command, output=output)
        wait_until(self.is_healthy, self.process, name=self.name, log=self.log)

    def kill(self) -> None:
        """Ends it without warning."""
        os.kill(self.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        """Ends it in good order."""
        if self.process is not None:
            stop(self.process)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stops its clock for the length of a block: it keeps every connection and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@dataclass(frozen=True)
class Servers:
    """The three servers, running."""

    valkey: Server
    mongo: Server
    kafka: Server

    def urls(self) -> dict[str, str]:
        """Returns the settings that lead the platform to them, through the proxies."""
        return {
            "REDIS_URL": valkey.url(self.valkey.proxy.port),
            "MONGO_URL": mongo.url(self.mongo.proxy.port),
            "KAFKA_BOOTSTRAP": kafka.bootstrap(self.kafka.proxy.port),
        }


@contextmanager
def running_servers(folder: Path, settings: Settings, *, disk_megabytes: int) -> Iterator[Servers]:
    """Starts the servers on free ports and empty folders, each behind a proxy, for the length of a block.

    Raises:
        ops.errors.ServerStartError: one did not start.
    """
    with ExitStack() as started:

        def server(
            name: str, command: Callable[[Path, int, int], Sequence[str]], health: Callable[[int], bool]
        ) -> Server:
            data, port, proxy_port = folder / "data" / name, free_port(), free_port()
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(parents=True)
            started.enter_context(small_disk(data, disk_megabytes))
            (folder / "log").mkdir(exist_ok=True)
            proxy = started.enter_context(Proxy(port, proxy_port))
            made = Server(
                name,
                command(data, port, proxy_port),
                port,
                data,
                folder / "log" / f"{name}.log",
                partial(health, port),
                proxy,
            )
            made.start()
            started.callback(made.stop)
            return made

        topics = (settings.kafka_topic_scored, settings.kafka_topic_raw)
        yield Servers(
            server(
                "valkey",
                lambda data, port, _: valkey.command(data, port, rewrite_megabytes=_REWRITE_MEGABYTES),
                valkey.is_healthy,
            ),
            server("mongo", lambda data, port, _: mongo.command(data, port), accepts),
            # A broker advertises an address to its clients: here, the proxy's.
            server("kafka", lambda _, port, proxy: kafka.command(port, topics, advertised_port=proxy), accepts),
        )
