"""Batches of commands on a Redis Cluster: one pipeline per node, all of them under way at the same time.

redis-py holds the map of the cluster and the connections. Its own cluster pipeline is not used: commands
that a silent node left unanswered it sends again one by one, each with a timeout of its own, which turns one timeout
into dozens; and it handles neither unknown scripts nor a node that imports its first slot.

A master's death is not hidden: until its replica takes over (the cluster's node timeout and about a second more),
commands on its slots fail, and only those: the run that meets the death waits for it, and for a second after that the
node is not asked (`ml.stores.redis.node_rest`), so that the others' commands are answered at once. Replication is
asynchronous: what the master answered in its last moments may be missing from the replica, and stays missing. A run
that failed and is repeated writes its own part again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
from redis.cluster import ClusterNode
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    RedisClusterException,
    SlotNotCoveredError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ml.stores.redis.commands import Command, UnansweredError, key_of
from ml.stores.redis.failures_redis import redis_failures_as_unavailable
from ml.stores.redis.node_pipeline_redis import CONNECTION_FAILURES, NodePipeline
from ml.stores.redis.node_rest import NodeRest
from ml.stores.redis.refusals_redis import is_wrong_type
from ml.stores.redis.scripts_redis import LuaScript

_PAUSES_SECONDS = (0.0, 0.05, 0.1)
"""Pause before each resend: an old map is refreshed at once, a slot that moves needs a moment."""

_SIGNS_OF_AN_OLD_MAP = (*CONNECTION_FAILURES, MovedError, ClusterDownError, RedisClusterException)
_MENDABLE = (*_SIGNS_OF_AN_OLD_MAP, AskError, TryAgainError, NoScriptError)
_NOT_SENT = RedisConnectionError("not sent")
_OLD_MAP_SECONDS = 0.5
"""While a node rests, how old the map may be: another node may have taken its slots over."""


class ClusterCommands:
    """Runs commands on a cluster.

    A run sends what is unanswered at most four times and waits for replies no longer than `patience_seconds` in all;
    connecting and looking up the map are bounded by the client's own timeouts. After a failure the map is looked up
    again; when no node of it answers, from the addresses that `connect` knows.
    """

    def __init__(
        self,
        connect: "Callable[[], redis.RedisCluster]",
        *,
        patience_seconds: float,
        on_pipeline: Callable[[], None] = lambda: None,
    ) -> None:
        """Connects at the first run.

        Args:
            connect: returns a new client of the cluster, with raw (undecoded) replies and bounded waits.
            patience_seconds: longest wait of a run for all its replies.
            on_pipeline: called for every pipeline that is sent.
        """
        self._connect = connect
        self._patience_seconds = patience_seconds
        self._on_pipeline = on_pipeline
        self._cluster: Any = None  # redis-py annotates its cluster in part only
        self._is_map_old = False
        self._mapped_at = 0.0
        self._lost_node: str | None = None
        self._rest = NodeRest()
        self._unlisted: dict[str, ClusterNode] = {}

    def run(
        self, commands: Sequence[Command], *, scripts: Sequence[LuaScript] = (), within_seconds: float | None = None
    ) -> list[Any]:
        """See `CommandRunner.run`; only what was not answered is sent again."""
        patience = self._patience_seconds if within_seconds is None else min(within_seconds, self._patience_seconds)
        until = time.monotonic() + patience
        replies: list[Any] = [_NOT_SENT] * len(commands)
        failures = self._send(commands, replies, scripts=scripts, until=until)
        for pause_seconds in _PAUSES_SECONDS:
            if not failures or time.monotonic() + pause_seconds >= until or all(map(_is_final, failures)):
                break
            time.sleep(pause_seconds)
            failures = self._send(commands, replies, scripts=scripts, until=until)
        if failures:
            number = f"{len(failures)} of {len(commands)} commands"
            message = f"Redis Cluster left {number} unanswered: {failures[0]}"
            raise UnansweredError(message, replies) from failures[0]
        return replies

    def close(self) -> None:
        """Closes all connections; the next run opens new ones."""
        if self._cluster is not None:
            self._cluster.disconnect_connection_pools()
            self._cluster.close()
        for node in self._unlisted.values():
            node.redis_connection.connection_pool.disconnect()
        self._cluster, self._is_map_old = None, False
        self._unlisted.clear()

    def _send(
        self, commands: Sequence[Command], replies: list[Any], *, scripts: Sequence[LuaScript], until: float
    ) -> list[Exception]:
        """Sends what is not answered yet, fills in the replies and returns the failures that are left."""
        try:
            cluster = self._mapped_cluster()
        except _SIGNS_OF_AN_OLD_MAP as error:
            return [error] * sum(1 for reply in replies if isinstance(reply, Exception))
        shares = self._shares(cluster, commands, replies, scripts)
        # A node that did not answer lately comes last: connecting to it may take long.
        ordered = sorted(shares.items(), key=lambda item: self._rest.is_doubtful(item[0]))
        try:
            for _, share in ordered:
                self._on_pipeline()
                share.send()
            for _, share in ordered:
                share.receive(replies, until=until)
        finally:
            for share in shares.values():
                share.close()
        failures = [reply for reply in replies if isinstance(reply, Exception)]
        self._learn_from(failures, shares)
        return failures

    def _mapped_cluster(self) -> Any:
        if self._cluster is None:
            self._cluster = self._connect()
            self._mapped_at = time.monotonic()
        elif self._is_map_old:
            self._mapped_at = time.monotonic()
            try:
                self._cluster.nodes_manager.initialize(
                    disconnect_startup_nodes_pools=False, last_failed_node_name=self._lost_node
                )
            except _SIGNS_OF_AN_OLD_MAP:
                self.close()
                raise
        self._is_map_old = False
        return self._cluster

    def _shares(
        self, cluster: Any, commands: Sequence[Command], replies: list[Any], scripts: Sequence[LuaScript]
    ) -> dict[str, NodePipeline]:
        """Returns the unanswered commands by node name.

        A command takes the later ones on its key along, answered or not, so that they keep their order.
        """
        shares: dict[str, NodePipeline] = {}
        ways: dict[Any, tuple[ClusterNode, bool]] = {}
        for position, command in enumerate(commands):
            reply, key = replies[position], key_of(command)
            if key not in ways:
                if not isinstance(reply, Exception):
                    continue
                try:
                    ways[key] = self._way(cluster, key, reply)
                except SlotNotCoveredError as error:
                    replies[position] = error
                    continue
            node, is_asking = ways[key]
            if self._rest.is_resting(node.name):
                replies[position] = _RestingNodeError(f"{node.name} did not answer lately")
                continue
            if node.name not in shares:
                shares[node.name] = NodePipeline(cluster.get_redis_connection(node).connection_pool)
            if isinstance(reply, NoScriptError):
                shares[node.name].teach(scripts)
            shares[node.name].add(position, command, is_asking=is_asking)
        return shares

    def _way(self, cluster: Any, key: Any, reply: Exception) -> tuple[ClusterNode, bool]:
        """Returns the node for a key, and whether another node redirected the command there (ASKING)."""
        if not isinstance(reply, AskError) or isinstance(reply, MovedError):
            return cluster.get_node_from_key(key), False
        node = cluster.get_node(host=reply.host, port=reply.port)
        if node is None:  # one that owns no slot yet is not on the map
            name = f"{reply.host}:{reply.port}"
            new = ClusterNode(reply.host, reply.port)  # type: ignore[no-untyped-call]
            node = self._unlisted.setdefault(name, new)
        return node, True

    def _learn_from(self, failures: list[Exception], shares: dict[str, NodePipeline]) -> None:
        """Raises a failure that a repetition cannot mend; notes from the others whether the map is old."""
        for name, share in shares.items():
            if share.failure is None:
                self._rest.note_answer(name)
            else:
                self._rest.note_failure(name, is_silent=isinstance(share.failure, RedisTimeoutError))
        with redis_failures_as_unavailable():
            for failure in failures:
                if not isinstance(failure, _MENDABLE) and not is_wrong_type(failure):
                    raise failure
        resting = [failure for failure in failures if _is_resting(failure)]
        if len(resting) < len(failures):
            self._is_map_old = any(isinstance(failure, _SIGNS_OF_AN_OLD_MAP) for failure in failures)
        elif resting:
            self._is_map_old = time.monotonic() - self._mapped_at > _OLD_MAP_SECONDS
        self._lost_node = next((name for name, share in shares.items() if share.failure is not None), self._lost_node)


class _RestingNodeError(RedisConnectionError):
    """The node did not answer lately and is not asked."""


def _is_resting(failure: object) -> bool:
    return isinstance(failure, _RestingNodeError)


def _is_final(failure: object) -> bool:
    """Returns whether sending the command once more in this run would change nothing."""
    return _is_resting(failure) or is_wrong_type(failure)
