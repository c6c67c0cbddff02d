"""Answers that wait for a replica, on a real master with a real replica."""

from collections.abc import Iterator

import pytest
import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.decisions.decisions import CommitOutcome, Reply
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.redis.persistence_redis import read_persistence
from ml.stores.redis.replicas_redis import RedisReplicas
from ops.embedded.valkey import valkey
from ops.errors import OpsError
from ops.startup.promises_redis import check_promises
from settings import Settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import barrier, decision_store
from tests.contracts.decision_store import new_decision
from tests.seals import MESSAGE_KEY
from tests.valkey_cluster import wait_for

PATIENCE_SECONDS = 4  # of the client; the barrier waits for four fifths of it


class Servers:
    def __init__(self, master: str, replica: str) -> None:
        self.master, self.replica = (redis.Redis.from_url(url) for url in (master, replica))
        self.settings = Settings(
            _env_file=None,
            redis_url=master,
            durability_replicas=1,
            redis_socket_timeout_seconds=PATIENCE_SECONDS,
            message_key=MESSAGE_KEY,
        )

    def connect(self) -> None:
        kwargs = self.master.connection_pool.connection_kwargs
        self.replica.execute_command("REPLICAOF", kwargs["host"], kwargs["port"])
        wait_for(lambda: self.replica.info("replication").get("master_link_status") == "up", what="the replica")
        wait_for(lambda: read_persistence(self.master).replicas == 1, what="the replica's registration")

    def part(self) -> None:
        self.replica.execute_command("REPLICAOF", "NO", "ONE")
        wait_for(lambda: read_persistence(self.master).replicas == 0, what="the replica's leave")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with valkey(tmp_path_factory.mktemp("master")) as master, valkey(tmp_path_factory.mktemp("replica")) as replica:
        servers = Servers(master, replica)
        servers.master.config_set("repl-diskless-sync-delay", 0)
        yield servers


@pytest.fixture
def servers(pair: Servers) -> Servers:
    pair.master.flushall()
    pair.connect()
    return pair


def test_what_is_answered_is_on_the_replica(servers: Servers) -> None:
    store = decision_store(Connections(servers.settings))
    for number in range(20):
        name = f"t-{number}"
        report = store.commit([new_decision(name)], Reply("shrike:reply:test", "b-1", {}))
        assert report.outcomes == (CommitOutcome.RECORDED,)
        assert servers.replica.exists(decision_key(name))
    assert servers.master.llen("shrike:reply:test") == 20


def test_without_the_replica_nothing_is_answered_and_a_retry_gets_the_decision(servers: Servers) -> None:
    store = decision_store(Connections(servers.settings))
    servers.part()
    with pytest.raises(StoreUnavailableError, match="0 of 1 replicas"):
        store.commit([new_decision("t-1")], Reply("shrike:reply:test", "b-1", {}))
    assert servers.master.llen("shrike:reply:test") == 0
    servers.connect()
    report = store.commit([new_decision("t-1")], Reply("shrike:reply:test", "b-2", {}))
    assert report.outcomes == (CommitOutcome.REPEATED,)
    assert servers.master.llen("shrike:reply:test") == 1


def test_no_process_starts_that_could_answer_nothing(servers: Servers) -> None:
    check_promises(servers.settings)
    servers.part()
    with pytest.raises(OpsError, match="DURABILITY_REPLICAS is 1 and Redis has 0 connected replicas"):
        check_promises(servers.settings)


def test_disk_and_replicas_may_both_be_waited_for(servers: Servers) -> None:
    servers.master.config_set("appendfsync", "always")
    both = servers.settings.model_copy(update={"durability": "aof-fsync"})
    waits = barrier(both, servers.master.__class__.from_url(both.redis_url, socket_timeout=PATIENCE_SECONDS))
    assert waits is not None
    assert not waits.is_at_once()
    waits.wait()
    servers.part()
    with pytest.raises(StoreUnavailableError, match="replicas"):
        waits.wait()


def test_the_wait_itself_is_bounded(servers: Servers) -> None:
    servers.part()
    with pytest.raises(StoreUnavailableError, match="0 of 1 replicas"):
        RedisReplicas(servers.master, replicas=1, patience_seconds=0.01).wait()
