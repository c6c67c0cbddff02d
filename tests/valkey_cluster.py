"""A Valkey Cluster on loopback for tests and benchmarks: masters and replicas that end with their starter."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from ops.embedded.valkey import command, is_healthy
from ops.processes.ports import LOOPBACK, free_port, wait_until
from ops.processes.spawn import spawn, stop


@dataclass
class ValkeyNode:
    """One server of the cluster."""

    port: int
    bus_port: int
    process: "subprocess.Popen[bytes]"
    client: "redis.Redis"

    def call(self, *arguments: str | int) -> Any:
        """Sends one command to this node, whatever its role, and returns the reply."""
        return self.client.execute_command(*arguments)

    @property
    def id(self) -> str:
        """The node's name within the cluster."""
        return self.call("CLUSTER MYID").decode()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stops the process while the block runs: it keeps its connections and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Ends the process as a crash would."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class ValkeyCluster:
    """The running servers: first the masters, then their replicas in the same order, then masters without slots."""

    nodes: list[ValkeyNode]

    @property
    def url(self) -> str:
        """The URL that names every node."""
        return "redis+cluster://" + ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)

    def living(self) -> list[ValkeyNode]:
        """The nodes whose process runs."""
        return [node for node in self.nodes if node.process.poll() is None]

    def masters(self) -> list[ValkeyNode]:
        """The living masters."""
        return [node for node in self.living() if node.call("ROLE")[0] == b"master"]

    def owner(self, key: str) -> ValkeyNode:
        """Returns the master that serves a key, as the first living node knows it."""
        slot = key_slot(key.encode())
        ranges = self.living()[0].call("CLUSTER SLOTS")
        port = next(master[1] for first, last, master, *_ in ranges if first <= slot <= last)
        return next(node for node in self.nodes if node.port == port)

    def forget(self) -> None:
        """Deletes every key."""
        for node in self.masters():
            node.call("FLUSHALL")

    def wait_for_replication(self) -> None:
        """Waits until every living replica has what its master had written when asked."""
        written = {node.port: node.call("ROLE")[1] for node in self.masters()}

        def has_all(node: ValkeyNode) -> bool:
            role = node.call("ROLE")
            return role[0] == b"master" or (role[3] == b"connected" and role[4] >= written[role[2]])

        for node in self.living():
            wait_for(lambda node=node: has_all(node), what="replication")


@contextmanager
def valkey_cluster(
    directory: Path, *, masters: int = 3, replicas: int = 1, spares: int = 0, node_timeout_ms: int = 15_000
) -> Iterator[ValkeyCluster]:
    """Serves a cluster from the folder; yields it when every replica is in step with its master.

    Args:
        directory: where the servers keep their files.
        masters: servers that share the slots.
        replicas: replicas of each master.
        spares: servers that know the others but own no slots.
        node_timeout_ms: silence after which the others call a node dead; with much less than two seconds, a busy
            machine fails over by itself.

    Raises:
        ops.errors.ServerStartError: a server did not start.
    """
    with ExitStack() as stack:
        ports = [free_port() for _ in range(2 * (masters * (1 + replicas) + spares))]
        nodes = [
            stack.enter_context(
                _serving(directory / str(port), port=port, bus_port=bus_port, node_timeout_ms=node_timeout_ms)
            )
            for port, bus_port in zip(ports[0::2], ports[1::2], strict=True)
        ]
        _join(nodes, masters=masters, replicas=replicas)
        yield ValkeyCluster(nodes)


@contextmanager
def _serving(directory: Path, *, port: int, bus_port: int, node_timeout_ms: int) -> Iterator[ValkeyNode]:
    directory.mkdir(parents=True)
    argv = [
        *command(directory, port),
        *("--cluster-enabled", "yes", "--cluster-port", str(bus_port)),
        *("--cluster-node-timeout", str(node_timeout_ms)),
        # A replica that lost touch long ago is still better than none, and on a slow machine it may look like one.
        *("--cluster-replica-validity-factor", "0"),
        *("--repl-diskless-sync-delay", "0"),
        *("--appendonly", "no"),
    ]
    log = directory / "valkey.log"
    with log.open("wb") as output:
        process = spawn(argv, output=output)
    try:
        wait_until(lambda: is_healthy(port), process, name="valkey", log=log)
        with redis.Redis(host=LOOPBACK, port=port, socket_timeout=10) as client:
            yield ValkeyNode(port, bus_port, process, client)
    finally:
        stop(process)


def _join(nodes: list[ValkeyNode], *, masters: int, replicas: int) -> None:
    first = nodes[0]
    for number, node in enumerate(nodes):
        # Without epochs of their own the masters would have to resolve collisions of their epochs, which takes seconds.
        node.call("CLUSTER SET-CONFIG-EPOCH", number + 1)
        node.call("CLUSTER MEET", LOOPBACK, first.port, first.bus_port)
    bounds = [REDIS_CLUSTER_HASH_SLOTS * number // masters for number in range(masters + 1)]
    for number, node in enumerate(nodes[:masters]):
        node.call("CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
    for node in nodes:
        wait_for(lambda node=node: _sees(node, nodes), what="the nodes' acquaintance")
    for number, node in enumerate(nodes[masters : masters * (1 + replicas)]):
        node.call("CLUSTER REPLICATE", nodes[number % masters].id)
    for node in nodes:
        wait_for(lambda node=node: node.call("CLUSTER INFO")["cluster_state"] == "ok", what="the cluster")
    # A replica that is not yet online takes no part in a failover, which would then never end.
    for node in nodes[:masters]:
        wait_for(lambda node=node: _online_replicas(node) == replicas, what="the replicas")


def _sees(node: ValkeyNode, nodes: list[ValkeyNode]) -> bool:
    flags = [peer["flags"] for peer in node.call("CLUSTER NODES").values()]
    return len(flags) == len(nodes) and not any("handshake" in flag or "fail" in flag for flag in flags)


def _online_replicas(node: ValkeyNode) -> int:
    information = node.call("INFO", "replication").values()
    return sum(1 for entry in information if isinstance(entry, dict) and entry["state"] == "online")


def wait_for(condition: Callable[[], bool], *, what: str, seconds: float = 30.0) -> None:
    """Polls until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not come true within {seconds:.0f} s")
        time.sleep(0.02)
