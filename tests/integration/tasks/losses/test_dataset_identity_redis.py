from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.cluster_redis import ClusterCommands
from ops.processes.ports import free_port
from security.messages.message_signer import MessageSigner
from tasks.losses.dataset_identity_redis import DatasetIdentity, LossReports
from tasks.losses.dataset_memory import DatasetMemory, FileDatasetMemory, StateFile
from tasks.losses.dataset_name import FoundName, NameSeal
from tasks.losses.dataset_name_redis import DATASET_ID, cluster_data, server_data
from tests.seals import MESSAGE_KEY, NAME_SEAL, STRANGERS_NAME_SEAL
from tests.valkey_cluster import valkey_cluster

_DATABASE = 11
_SEALED = f"{DATASET_ID}:sealed"
_NOTES = NameSeal(MessageSigner(MESSAGE_KEY.encode()), "dataset.loss_reported")


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
    return DatasetIdentity(
        server_data(client, NAME_SEAL), memory, LossReports(client, _NOTES), lambda _found: on_loss()
    )


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
            cluster_data(runner, NAME_SEAL),
            memory_of("one"),
            LossReports(client, _NOTES, "features"),
            lambda _found: reports.append("lost"),
        )
        identity.check()
        for number, node in enumerate(cluster.nodes, start=1):
            identity.check()
            node.call("FLUSHALL")
            identity.check()
            identity.check()
            assert len(reports) == number
        runner.close()


class Watch:
    """A process that knew the name of the data before somebody wrote to Redis."""

    def __init__(self, client: redis.Redis, memory: DatasetMemory) -> None:
        self.client, self.found = client, list[FoundName]()
        reports = LossReports(client, _NOTES)
        self.identity = DatasetIdentity(server_data(client, NAME_SEAL), memory, reports, self.found.append)
        self.identity.check()
        self.name = str(memory.recall())

    def copies(self) -> tuple[bytes | None, str | None]:
        plain, sealed = self.client.mget(DATASET_ID, _SEALED)
        return plain, NAME_SEAL.open(_SEALED, sealed)


@pytest.fixture
def watch(client: redis.Redis, memory_of: MemoryOf) -> Watch:
    return Watch(client, memory_of("one"))


_ANOTHER = "ab" * 16
FORGERIES = {
    "text": [("SET", DATASET_ID, "x")],
    "name": [("SET", DATASET_ID, _ANOTHER)],
    "bytes": [("SET", DATASET_ID, b"\xff,\x00")],
    "deleted": [("DEL", DATASET_ID)],
    "list": [("DEL", DATASET_ID), ("RPUSH", DATASET_ID, "x")],
    "sealed text": [("SET", _SEALED, "x")],
    "sealed by a stranger": [("SET", _SEALED, STRANGERS_NAME_SEAL.close(_SEALED, _ANOTHER))],
    "sealed for another place": [("SET", _SEALED, NAME_SEAL.close("shrike:elsewhere", _ANOTHER))],
    "sealed deleted": [("DEL", _SEALED)],
    "sealed hash": [("DEL", _SEALED), ("HSET", _SEALED, "seal", "x")],
    "deep": [("SET", _SEALED, b"[" * 5_000)],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_copy_of_the_name_stops_nobody_and_is_mended(watch: Watch, memory_of: MemoryOf, forgery: str) -> None:
    for command in FORGERIES[forgery]:
        watch.client.execute_command(*command)
    watch.identity.check()
    assert watch.found == []
    assert watch.copies() == (watch.name.encode(), watch.name)
    # Who knows nothing yet learns the right name, before or after that.
    for command in FORGERIES[forgery]:
        watch.client.execute_command(*command)
    new = Watch(watch.client, memory_of("new"))
    watch.identity.check()
    assert (new.found, watch.found) == ([], [])


@pytest.mark.parametrize("forgery", [name for name in FORGERIES if not name.endswith("deleted")])
def test_a_forged_name_hides_no_loss(watch: Watch, forgery: str) -> None:
    watch.client.flushdb()
    for command in FORGERIES[forgery]:
        watch.client.execute_command(*command)
    watch.client.set(f"{DATASET_ID}:loss_reported", _ANOTHER)
    watch.identity.check()
    watch.identity.check()
    assert [found.name for found in watch.found] == [watch.copies()[1]]
    assert watch.name not in (watch.copies()[1], None)


def test_a_name_written_over_twice_is_no_loss_that_is_certain(watch: Watch) -> None:
    watch.client.mset({DATASET_ID: "x", _SEALED: "y"})
    watch.identity.check()
    assert [found.is_altered for found in watch.found] == [True]
    # The way out is the operator's; the next look finds a name that is ours.
    watch.identity.check()
    assert len(watch.found) == 1


def test_an_emptied_redis_is_a_loss_for_certain_also_to_the_second_who_looks(watch: Watch, memory_of: MemoryOf) -> None:
    second = Watch(watch.client, memory_of("two"))
    watch.client.flushdb()
    watch.identity.check()
    second.identity.check()
    assert (watch.found[0].is_altered, second.found) == (False, [])


def test_the_name_of_an_earlier_version_is_sealed_without_a_word(
    client: redis.Redis, memory_of: MemoryOf, caplog: pytest.LogCaptureFixture
) -> None:
    client.set(DATASET_ID, _ANOTHER)
    for machine, known in (("old", _ANOTHER), ("new", None)):
        memory = memory_of(machine)
        if known is not None:
            memory.remember(known)
        client.delete(_SEALED)
        assert Watch(client, memory).copies() == (_ANOTHER.encode(), _ANOTHER)
    assert caplog.text == ""


def test_another_message_key_does_not_make_the_data_another(watch: Watch) -> None:
    other = server_data(watch.client, NameSeal(MessageSigner(b"n" * 32), "dataset.name"))
    assert other.name(watch.name) == FoundName(watch.name)
    watch.identity.check()
    assert watch.found == []


def test_a_name_under_the_previous_key_is_sealed_anew_once(client: redis.Redis, memory_of: MemoryOf) -> None:
    Watch(client, memory_of("one"))
    new = MessageSigner(b"n" * 32, previous=MESSAGE_KEY.encode())
    data = server_data(client, NameSeal(new, "dataset.name"))
    assert (data.renew(), data.renew()) == (True, False)
