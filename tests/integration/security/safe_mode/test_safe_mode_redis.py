import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode import ALTERED, CachedSafeMode, SafeModeUnavailableError
from security.safe_mode.safe_mode_redis import AUDIT_KEY, STATE_KEY, RedisSafeMode
from tests.contracts.safe_mode import SafeModeContract

SIGNER = MessageSigner(b"k" * 32)


@pytest.fixture
def client(valkey_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(STATE_KEY, AUDIT_KEY)
        yield client
        client.delete(STATE_KEY, AUDIT_KEY)


class TestRedisSafeMode(SafeModeContract):
    @pytest.fixture
    def store(self, client: "redis.Redis") -> RedisSafeMode:
        return RedisSafeMode(client, SIGNER)


def test_every_process_sees_the_same_switch(client: "redis.Redis", valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as second:
        RedisSafeMode(client, SIGNER).enable("broken", "a")
        assert RedisSafeMode(second, SIGNER).read().reason == "broken"


def test_of_many_first_causes_exactly_one_stands_and_all_are_audited(client: "redis.Redis") -> None:
    store = RedisSafeMode(client, SIGNER)
    with ThreadPoolExecutor(8) as pool:
        states = set(pool.map(lambda number: store.enable(f"cause {number}", "a"), range(40)))
    assert states == {store.read()}
    assert len(store.events(100)) == 40


@pytest.mark.parametrize("operation", ["read", "enable", "disable", "events"])
def test_an_unreachable_redis_raises_the_packages_own_error(operation: str) -> None:
    store = RedisSafeMode(redis.Redis(port=1, socket_timeout=0.2, retry=None), SIGNER)
    calls = {
        "read": store.read,
        "enable": lambda: store.enable("a", "b"),
        "disable": lambda: store.disable("b"),
        "events": lambda: store.events(1),
    }
    with pytest.raises(SafeModeUnavailableError):
        calls[operation]()


def test_a_process_that_never_reached_redis_is_shut() -> None:
    cached = CachedSafeMode(RedisSafeMode(redis.Redis(port=1, socket_timeout=0.2, retry=None), SIGNER))
    assert cached.state().enabled


def off_by_hand(client: "redis.Redis", _earlier: dict[bytes, bytes]) -> None:
    client.hset(STATE_KEY, "enabled", "0")


def off_by_another_key(client: "redis.Redis", _earlier: dict[bytes, bytes]) -> None:
    stranger = RedisSafeMode(client, MessageSigner(b"s" * 32))
    stranger.enable("mine", "stranger")
    stranger.disable("stranger")


def off_again(client: "redis.Redis", earlier: dict[bytes, bytes]) -> None:
    client.delete(STATE_KEY)
    client.hset(STATE_KEY, mapping=earlier)  # type: ignore[arg-type]


def gone(client: "redis.Redis", _earlier: dict[bytes, bytes]) -> None:
    client.delete(STATE_KEY)


@pytest.mark.parametrize("attack", [off_by_hand, off_by_another_key, off_again, gone])
def test_write_access_to_redis_opens_nothing_in_a_running_process(client: "redis.Redis", attack: Any) -> None:
    switch = RedisSafeMode(client, SIGNER)
    switch.enable("drill", "a")
    switch.disable("a")
    earlier = client.hgetall(STATE_KEY)
    process = CachedSafeMode(switch, refresh_seconds=0)
    assert not process.state().enabled
    switch.enable("broken", "a")
    assert process.state().enabled
    attack(client, earlier)
    assert process.state().enabled
    assert process.state().enabled
    switch.disable("admin")
    assert not process.state().enabled


def off_by_another_type(client: "redis.Redis", _earlier: dict[bytes, bytes]) -> None:
    client.set(STATE_KEY, "off")


def on_by_hand(client: "redis.Redis", _earlier: dict[bytes, bytes]) -> None:
    client.hset(STATE_KEY, mapping={"enabled": "1", "reason": "mine", "by": "x", "since": "2099-01-01T00:00:00Z"})


def on_by_another_key(client: "redis.Redis", _earlier: dict[bytes, bytes]) -> None:
    RedisSafeMode(client, MessageSigner(b"s" * 32)).enable("mine", "stranger")


@pytest.mark.parametrize("attack", [on_by_hand, on_by_another_key, off_by_another_type, gone])
@pytest.mark.parametrize("was_set", [True, False])
def test_an_unsealed_record_stops_no_running_process_and_is_mended(
    client: "redis.Redis",
    attack: Any,
    was_set: bool,  # noqa: FBT001 - a parameter
) -> None:
    switch = RedisSafeMode(client, SIGNER)
    if was_set:
        switch.disable("admin")
    process = CachedSafeMode(switch, refresh_seconds=0, name="web-1")
    assert not process.state().enabled
    attack(client, {})
    assert not process.state().enabled
    assert not CachedSafeMode(switch).state().enabled  # a process that starts now
    if was_set or attack is not gone:
        newest = switch.events(1)[0]
        assert (newest.action, newest.by) == ("restored", "web-1")


def test_an_altered_switch_says_so_until_an_administrator_sets_it(client: "redis.Redis") -> None:
    switch = RedisSafeMode(client, SIGNER)
    client.hset(STATE_KEY, "enabled", "0")
    assert switch.read() is ALTERED
    assert switch.enable("broken", "a").reason == "broken"
    client.hset(STATE_KEY, "reason", "all is well")
    assert switch.read() is ALTERED
    assert not switch.disable("admin").enabled
    assert not switch.read().enabled


@pytest.mark.parametrize("field", ["reason", "by", "since", "seal"])
def test_a_field_that_is_no_text_keeps_nobody_from_setting_the_switch(client: "redis.Redis", field: str) -> None:
    switch = RedisSafeMode(client, SIGNER)
    switch.disable("admin")
    process = CachedSafeMode(switch, refresh_seconds=0)
    assert not process.state().enabled
    client.hset(STATE_KEY, field, b"\xff")
    assert switch.read() is ALTERED
    assert not process.state().enabled
    assert not switch.read().enabled  # the process has put it right
    client.hset(STATE_KEY, field, b"\xff")
    assert switch.enable("broken", "a") == switch.read()
    client.hset(STATE_KEY, field, b"\xff")
    assert switch.disable("admin") == switch.read()


@pytest.mark.parametrize("key", [STATE_KEY, AUDIT_KEY])
def test_a_key_of_another_type_is_replaced_by_the_next_change(client: "redis.Redis", key: str) -> None:
    switch = RedisSafeMode(client, SIGNER)
    client.set(key, "x")
    assert switch.events(10) == []
    assert switch.enable("broken", "a") == switch.read()
    assert [event.reason for event in switch.events(10)] == ["broken"]


def test_a_state_by_the_previous_key_counts_and_is_sealed_anew(client: "redis.Redis") -> None:
    old, new = b"o" * 32, b"n" * 32
    state = RedisSafeMode(client, MessageSigner(old)).enable("broken", "a")
    both = RedisSafeMode(client, MessageSigner(new, old))
    assert both.read() == state
    assert both.renew()
    assert not both.renew()
    assert RedisSafeMode(client, MessageSigner(new)).read() == state
    assert RedisSafeMode(client, MessageSigner(old)).read() is ALTERED


def test_forged_events_are_not_shown(client: "redis.Redis") -> None:
    switch = RedisSafeMode(client, SIGNER)
    switch.enable("broken", "a")
    event = {"action": "disabled", "reason": "", "by": "alice", "at": "2026-11-24T08:00:00.000Z"}
    for entry in (json.dumps(event), json.dumps(event | {"seal": "x"}), "{", "[]", "1", json.dumps({"seal": "x"})):
        client.lpush(AUDIT_KEY, entry)
    assert [event.by for event in switch.events(100)] == ["a"]
    switch.disable("admin")
    assert [event.by for event in switch.events(100)] == ["admin", "a"]
