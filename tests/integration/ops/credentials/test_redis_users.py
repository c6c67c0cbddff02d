"""Each kind of process on a real server, connected as its own user: it cannot do what is not its work."""

import re
import time
from collections.abc import Iterator

import pytest
import redis
from kombu import Connection
from redis.exceptions import AuthenticationError, NoPermissionError

from ml.domain.errors import StoreUnavailableError
from ml.stores.outbox.answered_redis import RedisAnsweredIndex
from ml.stores.outbox.awaiting_redis import RedisAwaitingIndex
from ml.stores.outbox.keys_redis import OUTBOX, answered_key
from ml.stores.outbox.outbox import SINKS, Lag
from ml.stores.outbox.outbox_redis import RedisOutbox
from ml.stores.placements.placements_redis import RedisPlacements
from ops.credentials.redis_grants import USER_OF_ROLE, USERS
from ops.credentials.redis_users import ACCESS_LIST_NAME, make_redis_users
from ops.stack.plan.roles import ROLES
from tests.integration.ops.guarded import Guarded, guarded_server
from tests.seals import EVENT_SEAL


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


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
        "XGROUP CREATE shrike:outbox mine 0",
        "XTRIM shrike:labels MAXLEN 0",
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
        "LPUSH explain.explain-1@host.0a1b x",
        "LLEN explain-1@host.celery.pidbox",
        "PUBLISH /0.celery.pidbox x",
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
        "LPUSH score.score-1@host.0a1b x",
        "SET shrike:dataset_id x",
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
        "BRPOP score.score-1@host.0a1b 1",
        "PUBLISH /0.celeryev/worker.heartbeat x",
        "PSUBSCRIBE *",
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
        with pytest.raises(StoreUnavailableError, match="NOPERM"):
            reader.place([("t-placed", "s2")])


def test_the_api_measures_streams_and_starts_no_consumer_group(guarded: Guarded) -> None:
    with guarded.client("web") as web, guarded.client("admin") as admin:
        admin.delete(OUTBOX)
        view = RedisOutbox(web, stream=OUTBOX, group="explain", groups=SINKS, consumer="w", claim_idle_ms=1000)
        assert view.lag() == Lag(entries=0, oldest_seconds=0.0, dead_letters=0)
        admin.xadd(OUTBOX, {"id": "t-1", "event": "{}"}, id="1-1")
        lag = view.lag()
        assert lag.entries == 1
        assert lag.oldest_seconds > 1e9
        assert admin.xinfo_groups(OUTBOX) == []
        admin.delete(OUTBOX)


def test_the_trainer_acknowledges_and_repairs_what_a_sink_owes(guarded: Guarded) -> None:
    with guarded.client("trainer") as trainer, guarded.client("admin") as admin:
        admin.rpush(answered_key(1), "t-1")
        assert RedisAnsweredIndex(trainer).answered(1) == ["t-1"]
        index = RedisAwaitingIndex(trainer, "explain", EVENT_SEAL)
        assert index.repair("t-1", b"{}", awaited_since_ms=None)
        assert index.awaiting(["t-1"]) == {"t-1"}
        overdue = index.overdue(before_ms=time.time_ns() // 1_000_000 + 1_000, count=10)
        assert index.held(overdue) == {"t-1"}
        index.acknowledge(["t-1"])
        assert index.overdue(before_ms=time.time_ns() // 1_000_000 + 1_000, count=10) == []


def test_the_drains_release_charge_and_bury(guarded: Guarded) -> None:
    with guarded.client("drains") as drains, guarded.client("admin") as admin:
        admin.xadd("shrike:labels", {"id": "t-1", "event": "{}"})
        inbox = RedisOutbox(
            drains, stream="shrike:labels", group="labels", groups=("labels",), consumer="me", claim_idle_ms=60_000
        )
        (entry,) = inbox.read_new(10)
        inbox.release(inbox.begin([entry]))
        (entry,) = inbox.read_pending(10)
        inbox.bury(entry, "unreadable")
        inbox.clear_doorbell()
        assert inbox.trim() == 1
        assert inbox.lag().dead_letters == 1


@pytest.mark.parametrize("user", ["web", "score", "drains", "trainer", "beat", "flower"])
def test_kombu_clears_up_its_bindings(guarded: Guarded, user: str) -> None:
    with guarded.client("admin") as admin, Connection(guarded.url(user)) as connection:
        admin.zadd("_kombu.binding_deadlines", {"gone": 1})
        admin.sadd("_kombu.binding.gone", "x")
        assert connection.default_channel.sweep_bindings() == 1
        assert not admin.exists("_kombu.binding.gone")


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


def test_a_running_server_takes_new_grants_and_passwords_by_acl_load(guarded: Guarded) -> None:
    path, before = guarded.folder / ACCESS_LIST_NAME, (guarded.folder / "beat").read_text()
    whole = path.read_text()
    (old,) = re.findall(r"^user beat on (#\w+)", whole, re.MULTILINE)
    path.write_text(whole.replace("+ping", ""))
    with guarded.client("admin") as admin:
        assert admin.execute_command("ACL", "LOAD")
        with guarded.client("beat") as refused, pytest.raises(NoPermissionError):
            refused.execute_command("PING")
        (guarded.folder / "beat").write_text("beat:new\n")
        make_redis_users(guarded.folder, replace=False)
        assert admin.execute_command("ACL", "LOAD")
        for password in (before.strip().partition(":")[2], "new"):
            with redis.Redis(port=guarded.port, username="beat", password=password) as client:
                assert client.execute_command("PING")
        path.write_text(path.read_text().replace(f" {old}", ""))
        assert admin.execute_command("ACL", "LOAD")
    with guarded.client("beat") as client:
        assert client.execute_command("PING")
    with (
        redis.Redis(port=guarded.port, username="beat", password=before.strip().partition(":")[2]) as client,
        pytest.raises(AuthenticationError),
    ):
        client.execute_command("PING")
