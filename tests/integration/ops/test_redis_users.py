"""Each kind of process on a real server, connected as its own user: it cannot do what is not its work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from ml.stores.placements_redis import RedisPlacements
from ops.embedded.server import serving
from ops.embedded.valkey import command, is_healthy
from ops.processes.ports import free_port
from ops.redis_users import ACCESS_LIST_NAME, FOLDER_NAME, USER_OF_ROLE, USERS, make_redis_users
from ops.stack.roles import ROLES
from tests.integration.workers.conftest import works

__all__ = ["works"]


class Guarded:
    """A server with the access list, and its users' credentials."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def client(self, user: str) -> redis.Redis:
        name, _, password = (self.folder / user).read_text().strip().partition(":")
        return redis.Redis(port=self.port, username=name, password=password)

    def env(self, user: str) -> dict[str, str]:
        url = f"redis://127.0.0.1:{self.port}/0"
        return {"REDIS_URL": url, "REDIS_CREDENTIALS_FILE": str(self.folder / user)}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    access_list = make_redis_users(folder / FOLDER_NAME, replace=False)
    argv = [*command(folder, port), "--aclfile", str(access_list)]
    with serving(argv, name="valkey", directory=folder, is_healthy=lambda: is_healthy(port)):
        yield Guarded(folder / FOLDER_NAME, port)


FORBIDDEN = {
    "web": [
        "SET shrike:decision:t-1 x",
        "XADD shrike:outbox * id t-1 event {}",
        "LPUSH shrike:reply:1 x",
        "LPUSH retrain x",
        "LPUSH explain x",
        "BRPOP score 1",
        "SET shrike:customer:{c} x",
        "ZADD shrike:awaiting:explain 1 t",
        "HSET shrike:workers a b",
        "XACK shrike:outbox explain 1-1",
    ],
    "score": [
        "GET admission:subject:a",
        "DEL admission:replay:a",
        "LPUSH retrain x",
        "LPUSH labels x",
        "LPUSH score x",
        "XADD shrike:labels * id t-1 event {}",
        "XREADGROUP GROUP explain me STREAMS shrike:outbox >",
        "HSET shrike:revocations a b",
        "SET shrike:self_test x",
        "SET shrike:slot:retraining 1",
        "HSET shrike:redbeat:retrain definition x",
    ],
    "drains": [
        "XADD shrike:outbox * id t-1 event {}",
        "XADD shrike:labels * id t-1 event {}",
        "SET shrike:decision:t-1 x",
        "LPUSH score x",
        "LPUSH retrain x",
        "LPUSH shrike:reply:1 x",
        "HSET shrike:safe_mode enabled 0",
        "GET admission:subject:a",
    ],
    "trainer": [
        "SET shrike:decision:t-1 x",
        "LPUSH score x",
        "LPUSH retrain x",
        "SET shrike:customer:{c} x",
        "HSET shrike:safe_mode enabled 0",
        "HSET shrike:accepted_version version v",
        "GET admission:subject:a",
    ],
    "beat": ["LPUSH score x", "GET shrike:decision:t-1", "XADD shrike:outbox * a b", "HSET shrike:safe_mode enabled 0"],
    "flower": [
        "LPUSH score x",
        "LPUSH retrain x",
        "LINDEX score 0",
        "RPOP score",
        "GET shrike:decision:t-1",
        "XRANGE shrike:outbox - +",
        "HSET shrike:safe_mode enabled 0",
    ],
    "web-scoring": ["LPUSH retrain x", "XREADGROUP GROUP explain me STREAMS shrike:outbox >", "BRPOP score 1"],
}
FOR_NOBODY = ["FLUSHALL", "CONFIG GET *", "KEYS *", "ACL LIST", "SHUTDOWN", "SCRIPT FLUSH", "MONITOR"]


@pytest.mark.parametrize(
    ("user", "forbidden"),
    [(user, each) for user in USERS if user != "admin" for each in [*FORBIDDEN[user], *FOR_NOBODY]],
)
def test_a_user_cannot_do_what_is_not_its_work(guarded: Guarded, user: str, forbidden: str) -> None:
    with guarded.client(user) as client, pytest.raises(NoPermissionError):
        client.execute_command(*forbidden.split())


@pytest.mark.parametrize("body", ["return redis.call('GET', KEYS[1])", "return redis.call('SET', KEYS[1], 'x')"])
def test_a_script_gets_no_further_than_its_caller(guarded: Guarded, body: str) -> None:
    with guarded.client("score") as client, pytest.raises((NoPermissionError, redis.ResponseError)):
        client.register_script(body)(keys=["admission:subject:a"])


def test_the_api_places_transactions_on_shards_and_the_drains_read_where_they_are(guarded: Guarded) -> None:
    with guarded.client("web") as web, guarded.client("drains") as drains:
        for _ in range(2):
            assert RedisPlacements(web, record_ttl_seconds=60).place([("t-placed", "s1")])[0].shard == "s1"
        reader = RedisPlacements(drains, record_ttl_seconds=60)
        assert reader.find_many(["t-placed"]) == ["s1"]
        with pytest.raises(NoPermissionError):
            reader.place([("t-placed", "s2")])


def test_strangers_may_ask_whether_the_server_is_there(guarded: Guarded) -> None:
    with redis.Redis(port=guarded.port) as client:
        with pytest.raises(NoPermissionError):
            client.get("shrike:safe_mode")
        assert client.execute_command("PING")
    with redis.Redis(port=guarded.port, username="web", password="guess") as client, pytest.raises(AuthenticationError):
        client.get("x")


def test_every_role_of_the_stack_has_its_user() -> None:
    assert set(USER_OF_ROLE) == {role.name for role in ROLES}
    assert set(USER_OF_ROLE.values()) <= set(USERS)


def test_the_access_list_holds_no_password(guarded: Guarded) -> None:
    listed = (guarded.folder / ACCESS_LIST_NAME).read_text()
    for user in USERS:
        assert (guarded.folder / user).read_text().strip().partition(":")[2] not in listed
