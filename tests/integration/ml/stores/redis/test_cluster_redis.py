from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.crc import key_slot
from redis.retry import Retry

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.cluster_redis import ClusterCommands
from ml.stores.redis.commands import Command, UnansweredError
from ml.stores.redis.scripts_redis import LuaScript
from tests.valkey_cluster import ValkeyCluster, ValkeyNode, valkey_cluster, wait_for


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """Two masters that share the slots and one that owns none."""
    with valkey_cluster(tmp_path_factory.mktemp("cluster"), masters=2, replicas=0, spares=1) as cluster:
        yield cluster


@dataclass
class Watched:
    """A runner, with what it has connected and sent."""

    ports: list[int]
    patience_seconds: float = 5.0
    connects: int = 0
    pipelines: int = 0
    runner: ClusterCommands = field(init=False)

    def __post_init__(self) -> None:
        self.runner = ClusterCommands(
            self._connect, patience_seconds=self.patience_seconds, on_pipeline=self._count_pipeline
        )

    def _connect(self) -> redis.RedisCluster:
        self.connects += 1
        return redis.RedisCluster(
            startup_nodes=[ClusterNode("127.0.0.1", port) for port in self.ports],
            socket_timeout=5,
            socket_connect_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )

    def _count_pipeline(self) -> None:
        self.pipelines += 1


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(ports: list[int], **options: float) -> Watched:
        made.append(Watched(ports, **options))
        return made[-1]

    yield make
    for watched in made:
        watched.runner.close()


@pytest.fixture
def watched(cluster: ValkeyCluster, watch: Callable[..., Watched]) -> Watched:
    watched = watch([node.port for node in cluster.nodes])
    watched.runner.run([("EXISTS", key_on(cluster, node)) for node in cluster.nodes[:2]])
    watched.pipelines = 0
    return watched


@pytest.fixture
def append() -> LuaScript:
    """A script of this test alone."""
    return LuaScript.from_source(f"return redis.call('APPEND', KEYS[1], ARGV[1]) -- {token_hex(4)}")


def key_on(cluster: ValkeyCluster, node: ValkeyNode) -> str:
    """Returns a new key of a node's slots."""
    while cluster.owner(key := f"key:{{{token_hex(4)}}}") is not node:
        pass
    return key


def until_answered(watched: Watched, commands: list[Command]) -> list[Any]:
    """Returns the replies of the first run whose commands are all answered."""
    replies: list[Any] = []

    def is_answered() -> bool:
        try:
            replies[:] = watched.runner.run(commands)
        except UnansweredError:
            return False
        return True

    wait_for(is_answered, what="the node's answer", seconds=60)
    return replies


def move_slot(slot: int, *, to: ValkeyNode, nodes: list[ValkeyNode]) -> None:
    for node in nodes:
        node.call("CLUSTER SETSLOT", slot, "NODE", to.id)


def test_replies_come_in_the_order_of_the_commands(cluster: ValkeyCluster, watched: Watched) -> None:
    keys = [f"{token_hex(4)}:{number}" for number in range(50)]
    assert len({cluster.owner(key).port for key in keys}) == 2
    watched.runner.run([("SET", key, number, "EX", 60) for number, key in enumerate(keys)])
    assert watched.runner.run([("GET", key) for key in keys]) == [str(number).encode() for number in range(50)]
    assert watched.runner.run([]) == []


def test_a_batch_is_one_pipeline_per_node(cluster: ValkeyCluster, watched: Watched) -> None:
    keys = [key_on(cluster, node) for node in cluster.nodes[:2] * 10]
    before = [node.call("INFO", "stats")["total_reads_processed"] for node in cluster.nodes[:2]]
    watched.runner.run([("SET", key, 1, "EX", 60) for key in keys])
    after = [node.call("INFO", "stats")["total_reads_processed"] for node in cluster.nodes[:2]]
    assert watched.pipelines == 2
    # One read for the batch and one for INFO itself.
    assert [late - early for early, late in zip(before, after, strict=True)] == [2, 2]


def test_no_node_waits_for_another(cluster: ValkeyCluster, watched: Watched) -> None:
    slow, quick = cluster.nodes[:2]
    first, second = key_on(cluster, slow), key_on(cluster, quick)
    slow.call("CLIENT PAUSE", 60_000, "WRITE")
    try:
        with ThreadPoolExecutor(1) as pool:
            replies = pool.submit(watched.runner.run, [("SET", first, 1, "EX", 60), ("SET", second, 1, "EX", 60)])
            wait_for(lambda: quick.call("EXISTS", second) == 1, what="the quick node's part")
            assert not replies.done()
            slow.call("CLIENT UNPAUSE")
            assert replies.result(10) == [b"OK", b"OK"]
    finally:
        slow.call("CLIENT UNPAUSE")


def test_a_node_that_does_not_answer_is_waited_for_once(cluster: ValkeyCluster, watch: Callable[..., Watched]) -> None:
    watched = watch([node.port for node in cluster.nodes], patience_seconds=1.0)
    slow, quick = cluster.nodes[:2]
    commands: list[Command] = [("INCR", key_on(cluster, slow)), ("INCR", key_on(cluster, quick))]
    watched.runner.run(commands)
    slow.call("CLIENT PAUSE", 60_000, "WRITE")
    try:
        with pytest.raises(StoreUnavailableError, match="1 of 2 commands unanswered"):
            watched.runner.run(commands)
        assert watched.pipelines == 4
    finally:
        slow.call("CLIENT UNPAUSE")
    # The late reply was to a connection that is gone; the run that asks the node again gets its own.
    assert until_answered(watched, commands)[1] >= 3


def test_a_node_that_does_not_answer_costs_the_others_no_second_wait(
    cluster: ValkeyCluster, watch: Callable[..., Watched]
) -> None:
    watched = watch([node.port for node in cluster.nodes], patience_seconds=60.0)
    frozen, other = cluster.nodes[:2]
    commands: list[Command] = [("INCR", key_on(cluster, frozen)), ("INCR", key_on(cluster, other))]
    watched.runner.run(commands)
    with frozen.frozen():
        with pytest.raises(UnansweredError) as first:
            watched.runner.run(commands, within_seconds=0.3)
        assert isinstance(first.value.replies[0], Exception)
        assert first.value.replies[1] == 2
        watched.pipelines = 0
        # It has a minute, and waits for nobody: the node is not asked.
        with pytest.raises(UnansweredError, match="did not answer lately") as second:
            watched.runner.run(commands)
        assert (second.value.replies[1], watched.pipelines) == (3, 1)
    assert until_answered(watched, commands)[1] > 3
    assert watched.connects == 1


def test_one_lost_connection_is_opened_anew_within_the_run(
    cluster: ValkeyCluster, watch: Callable[..., Watched]
) -> None:
    watched = watch([node.port for node in cluster.nodes])
    gone, other = cluster.nodes[:2]
    commands: list[Command] = [("INCR", key_on(cluster, gone)), ("INCR", key_on(cluster, other))]
    watched.runner.run(commands)
    gone.call("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
    assert watched.runner.run(commands) == [2, 2]  # one lost connection says nothing of the node


def test_a_slot_is_followed_while_it_moves_and_after(cluster: ValkeyCluster, watched: Watched) -> None:
    source, other, target = cluster.nodes
    present = key_on(cluster, source)
    absent = f"{present}:other"
    slot = key_slot(present.encode())
    elsewhere = key_on(cluster, other)
    commands: list[Command] = [("APPEND", present, "a"), ("APPEND", absent, "a"), ("APPEND", elsewhere, "a")]
    watched.runner.run([("APPEND", present, "a")])
    try:
        target.call("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        # What is still at the source is served there; what is not, the source sends on.
        assert watched.runner.run(commands) == [2, 1, 1]
        source.call("MIGRATE", "127.0.0.1", target.port, present, 0, 5000)
        assert watched.runner.run(commands) == [3, 2, 2]
        move_slot(slot, to=target, nodes=[target, source, other])
        assert watched.runner.run(commands) == [4, 3, 3]
        watched.pipelines = 0
        assert watched.runner.run(commands) == [5, 4, 4]
        assert watched.pipelines == 2
    finally:
        target.call("DEL", present, absent)
        move_slot(slot, to=source, nodes=[source, target, other])
    assert watched.connects == 1


def test_a_node_that_forgot_a_script_learns_it_and_the_others_are_not_asked_again(
    cluster: ValkeyCluster, watched: Watched, append: LuaScript
) -> None:
    forgetful, other = cluster.nodes[:2]
    commands: list[Command] = [("EVALSHA", append.sha, 1, key_on(cluster, node), "x") for node in (forgetful, other)]
    assert watched.runner.run(commands, scripts=[append]) == [1, 1]
    forgetful.call("SCRIPT FLUSH")
    assert watched.runner.run(commands, scripts=[append]) == [2, 2]


def test_what_goes_out_again_takes_the_later_commands_on_its_key_along(
    cluster: ValkeyCluster, watched: Watched, append: LuaScript
) -> None:
    node = cluster.nodes[0]
    node.call("SCRIPT FLUSH")
    key, other = key_on(cluster, node), key_on(cluster, node)
    commands: list[Command] = [
        ("APPEND", other, "-"),
        ("EVALSHA", append.sha, 1, key, "first"),
        ("APPEND", key, "-"),
        ("APPEND", other, "-"),
    ]
    replies = watched.runner.run(commands, scripts=[append])
    # The script was refused at first, the command behind it was not: that one is seen twice, once on either side.
    assert node.call("GET", key) == b"-first-"
    assert replies == [1, 6, 7, 2]


def test_a_refused_command_is_an_error_at_once(cluster: ValkeyCluster, watched: Watched) -> None:
    key = key_on(cluster, cluster.nodes[0])
    watched.runner.run([("SET", key, "text", "EX", 60)])
    watched.pipelines = 0
    with pytest.raises(StoreUnavailableError, match="WRONGTYPE"):
        watched.runner.run([("LPUSH", key, 1)])
    assert watched.pipelines == 1


def test_a_value_of_another_type_leaves_its_own_command_unanswered(cluster: ValkeyCluster, watched: Watched) -> None:
    wrong, right = key_on(cluster, cluster.nodes[0]), key_on(cluster, cluster.nodes[0])
    watched.runner.run([("SET", wrong, "text", "EX", 60)])
    with pytest.raises(UnansweredError, match="WRONGTYPE") as raised:
        watched.runner.run([("SET", right, 1, "EX", 60), ("LPUSH", wrong, 1), ("GET", right)])
    assert (raised.value.replies[0], raised.value.replies[2]) == (b"OK", b"1")


def test_an_unreachable_cluster_is_unavailable_after_four_tries(watch: Callable[..., Watched]) -> None:
    watched = watch([1])
    with pytest.raises(StoreUnavailableError, match="1 of 1 commands unanswered"):
        watched.runner.run([("GET", "x")])
    assert (watched.connects, watched.pipelines) == (4, 0)


def test_a_server_that_is_no_cluster_is_named_so(watch: Callable[..., Watched], valkey_url: str) -> None:
    watched = watch([int(valkey_url.rsplit(":", 1)[1].partition("/")[0])])
    with pytest.raises(StoreUnavailableError, match="Cluster mode is not enabled"):
        watched.runner.run([("GET", "x")])


def test_one_known_node_is_enough(cluster: ValkeyCluster, watch: Callable[..., Watched]) -> None:
    watched = watch([1, cluster.nodes[1].port])
    assert watched.runner.run([("SET", key_on(cluster, node), 1, "EX", 60) for node in cluster.nodes[:2]]) == [
        b"OK",
        b"OK",
    ]
