import time
from collections.abc import Iterator

import pytest
import redis

from security.revocations.revocation import RevocationsUnavailableError, RevokedKind
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_redis import ENTRIES_KEY, EXPIRY_KEY, VERSION_KEY, RedisRevocations
from tests.contracts.revocations import NOW, RevocationsContract, entry


@pytest.fixture
def client(valkey_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(ENTRIES_KEY, EXPIRY_KEY, VERSION_KEY)
        yield client
        client.delete(ENTRIES_KEY, EXPIRY_KEY, VERSION_KEY)


@pytest.fixture
def store(client: "redis.Redis") -> RedisRevocations:
    return RedisRevocations(client)


class TestRedisRevocations(RevocationsContract):
    @pytest.fixture
    def store(self, client: "redis.Redis") -> RedisRevocations:
        return RedisRevocations(client)


def test_nothing_outlives_the_last_entry(client: "redis.Redis", store: RedisRevocations) -> None:
    store.add(entry("long", life_seconds=7200), now=NOW)
    store.add(entry("short", life_seconds=60), now=NOW)
    for key in (ENTRIES_KEY, EXPIRY_KEY, VERSION_KEY):
        assert client.expiretime(key) == NOW + 7200
    store.lift(RevokedKind.TOKEN, "short")
    assert client.expiretime(VERSION_KEY) == NOW + 7200


def test_the_list_empties_by_itself(store: RedisRevocations) -> None:
    now = int(time.time())
    store.add(entry(life_seconds=now + 1 - NOW), now=now)
    known = RevocationList(store, leeway_seconds=30, refresh_seconds=0)
    assert known.covers(token_id="t-1", subject="s", issued_at=now) or time.time() >= now + 1
    deadline = time.monotonic() + 5
    while store.version():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(store.read().entries) == []


def test_every_process_sees_the_same_list(client: "redis.Redis", store: RedisRevocations, valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as second:
        known = RevocationList(RedisRevocations(second), leeway_seconds=30, refresh_seconds=0)
        before = known.generation
        store.add(entry("t-9"), now=NOW)
        assert known.generation != before
        assert known.covers(token_id="t-9", subject="s", issued_at=NOW)
    assert client.hlen(ENTRIES_KEY) == 1


def test_an_entry_of_another_form_keeps_no_other_from_being_obeyed(
    client: "redis.Redis", store: RedisRevocations
) -> None:
    store.add(entry("good"), now=NOW)
    for name, value in {"token:a": "{", "nothing:b": "{}", "token:c": "[]", "token:d": '{"revoked_at": "x"}'}.items():
        client.hset(ENTRIES_KEY, name, value)
    client.hset(ENTRIES_KEY, b"\xff", b"1")
    assert [item.name for item in store.read().entries] == ["good"]


def test_a_version_that_is_no_text_hides_no_revocation(client: "redis.Redis", store: RedisRevocations) -> None:
    store.add(entry("t-1"), now=NOW)
    running = RevocationList(store, leeway_seconds=30, refresh_seconds=0)
    assert running.covers(token_id="t-1", subject="s", issued_at=NOW)
    client.set(VERSION_KEY, b"\xff")
    client.hdel(ENTRIES_KEY, "token:t-1")
    running.refresh()
    assert not running.covers(token_id="t-1", subject="s", issued_at=NOW)
    store.add(entry("t-2"), now=NOW)
    running.refresh()
    starting = RevocationList(store, leeway_seconds=30, refresh_seconds=0)
    for known in (running, starting):
        assert known.covers(token_id="t-2", subject="s", issued_at=NOW)
    client.set(VERSION_KEY, b"\xfe")
    starting = RevocationList(store, leeway_seconds=30, refresh_seconds=0)
    assert starting.covers(token_id="t-2", subject="s", issued_at=NOW)


@pytest.mark.parametrize("operation", ["version", "read", "add", "lift"])
def test_an_unreachable_redis_raises_the_packages_own_error(operation: str) -> None:
    store = RedisRevocations(redis.Redis(port=1, socket_timeout=0.2, retry=None))
    calls = {
        "version": store.version,
        "read": store.read,
        "add": lambda: store.add(entry(), now=NOW),
        "lift": lambda: store.lift(RevokedKind.TOKEN, "a"),
    }
    with pytest.raises(RevocationsUnavailableError):
        calls[operation]()


def test_a_version_of_another_type_hides_no_revocation_and_the_next_change_mends_it(
    client: "redis.Redis", store: RedisRevocations
) -> None:
    store.add(entry("t-9"), now=NOW)
    client.delete(VERSION_KEY)
    client.lpush(VERSION_KEY, "x")
    known = RevocationList(store, leeway_seconds=30, refresh_seconds=0)
    assert known.covers(token_id="t-9", subject="s", issued_at=NOW)
    client.hdel(ENTRIES_KEY, "token:t-9")
    known.refresh()
    assert not known.covers(token_id="t-9", subject="s", issued_at=NOW)
    store.add(entry("t-10"), now=NOW)
    assert store.version() == store.version()
    known.refresh()
    assert known.covers(token_id="t-10", subject="s", issued_at=NOW)


@pytest.mark.parametrize("key", [ENTRIES_KEY, EXPIRY_KEY])
def test_a_list_of_another_type_is_named_and_unavailable_until_it_is_deleted(
    client: "redis.Redis", store: RedisRevocations, key: str
) -> None:
    client.set(key, "x")
    with pytest.raises(RevocationsUnavailableError, match="delete"):
        store.add(entry("t-9"), now=NOW)
    if key == ENTRIES_KEY:
        with pytest.raises(RevocationsUnavailableError, match="delete"):
            store.read()
    client.delete(key)
    store.add(entry("t-9"), now=NOW)
    assert [item.name for item in store.read().entries] == ["t-9"]
