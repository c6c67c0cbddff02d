from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.cluster_redis import ClusterCommands
from ops.processes.ports import free_port
from tasks.losses.dataset_identity_redis import DATASET_ID, ClusterData, DatasetIdentity, LossReports, ServerData
from tasks.losses.dataset_memory import DatasetMemory, FileDatasetMemory, StateFile
from tests.valkey_cluster import valkey_cluster

_DATABASE = 11


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(f"{valkey_url.rsplit('/', 1)[0]}/{_DATABASE}") as client:
        client.flushdb()
        yield client


@pytest.fixture
def memory_of(tmp_path: Path) -> Callable[[str], DatasetMemory]:
    """Returns the memory of a machine, by the machine's name."""
    return lambda machine: FileDatasetMemory(StateFile(tmp_path / machine / "remembered" / "main.json"))


def identity_of(client: redis.Redis, memory: DatasetMemory, on_loss: Callable[[], None]) -> DatasetIdentity:
    return DatasetIdentity(ServerData(client), memory, LossReports(client), on_loss)


MemoryOf = Callable[[str], DatasetMemory]


def test_a_loss_is_reported_once_however_many_detect_it(client: redis.Redis, memory_of: MemoryOf) -> None:
    reports: list[str] = []
    first, second = (
        identity_of(client, memory_of(name), lambda name=name: reports.append(name)) for name in ("first", "second")
    )
    for _ in range(2):
        first.check()
        second.check()
    assert reports == []
    client.flushdb()
    for _ in range(2):
        first.check()
        second.check()
    assert reports == ["first"]
    client.flushdb()
    second.check()
    first.check()
    assert reports == ["first", "second"]


def test_a_report_that_failed_is_repeated_at_the_next_check(client: redis.Redis, memory_of: MemoryOf) -> None:
    reports: list[bool] = []

    def report() -> None:
        reports.append(True)
        if len(reports) == 1:
            raise StoreUnavailableError("not now")

    identity = identity_of(client, memory_of("one"), report)
    identity.check()
    client.flushdb()
    with pytest.raises(StoreUnavailableError):
        identity.check()
    identity.check()
    identity.check()
    assert len(reports) == 2


def test_a_process_that_starts_after_the_loss_finds_it(client: redis.Redis, memory_of: MemoryOf) -> None:
    reports: list[str] = []
    identity_of(client, memory_of("one"), lambda: reports.append("before")).check()
    client.flushdb()
    identity_of(client, memory_of("one"), lambda: reports.append("after")).check()
    identity_of(client, memory_of("one"), lambda: reports.append("again")).check()
    assert reports == ["after"]


def test_a_machine_that_was_away_reports_no_loss_that_was_dealt_with(client: redis.Redis, memory_of: MemoryOf) -> None:
    reports: list[str] = []
    for machine in ("here", "away"):
        identity_of(client, memory_of(machine), lambda: reports.append("too early")).check()
    client.flushdb()
    identity_of(client, memory_of("here"), lambda: reports.append("here")).check()
    identity_of(client, memory_of("away"), lambda: reports.append("away")).check()
    assert reports == ["here"]


def test_a_machine_without_a_memory_takes_the_data_as_it_is(client: redis.Redis, memory_of: MemoryOf) -> None:
    for machine in ("old", "new"):
        identity_of(client, memory_of(machine), lambda: pytest.fail("nothing is lost")).check()


def test_data_that_an_earlier_release_named_is_not_a_lost_redis(client: redis.Redis, memory_of: MemoryOf) -> None:
    earlier = {b"shrike:founded": b"0123456789abcdef", b"shrike:founded:told": b"0123456789abcdef"}
    client.mset(earlier)
    first, second = (
        identity_of(client, memory_of(name), lambda: pytest.fail("nothing is lost")) for name in ("first", "second")
    )
    for _ in range(2):
        first.check()
        second.check()
    # A worker of the earlier release, which still runs during the upgrade, finds its data as it was.
    assert dict(zip(earlier, client.mget(list(earlier)), strict=True)) == earlier


def test_a_redis_that_does_not_answer_has_lost_nothing(memory_of: MemoryOf) -> None:
    nobody = redis.Redis(host="127.0.0.1", port=free_port())
    identity = identity_of(nobody, memory_of("one"), lambda: pytest.fail("nothing is lost"))
    with pytest.raises(StoreUnavailableError):
        identity.check()


def test_of_a_cluster_every_master_is_missed(client: redis.Redis, memory_of: MemoryOf, tmp_path: Path) -> None:
    reports: list[str] = []
    with valkey_cluster(tmp_path / "cluster", masters=3, replicas=0) as cluster:
        nodes = [redis.cluster.ClusterNode("127.0.0.1", node.port) for node in cluster.nodes]
        runner = ClusterCommands(lambda: redis.RedisCluster(startup_nodes=nodes), patience_seconds=30)
        identity = DatasetIdentity(
            ClusterData(runner), memory_of("one"), LossReports(client, "features"), lambda: reports.append("lost")
        )
        identity.check()
        for number, node in enumerate(cluster.nodes, start=1):
            identity.check()
            node.call("FLUSHALL")
            identity.check()
            identity.check()
            assert len(reports) == number
        runner.close()


def test_a_foreign_name_is_a_name_like_any_other(client: redis.Redis) -> None:
    client.set(DATASET_ID, b"\xff")
    assert ServerData(client).name()
