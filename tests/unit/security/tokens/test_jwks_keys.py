import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from security.errors import KeysUnavailableError, KeyUnusableError
from security.keys import generate_secret
from security.tokens.jwks_keys import RETRY_SECONDS, JwksKeys, key_source
from security.tokens.token_keys import FixedKeys, VerificationKey
from settings import Settings
from settings.problems import SettingsRefusedError

FIRST, SECOND = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2))
OLD, NEW = VerificationKey(FIRST, "ES256", "old"), VerificationKey(SECOND, "ES256", "new")


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Provider:
    """Serves key ids; counts readings, and fails them while `is_down`."""

    def __init__(self) -> None:
        self.keys = [OLD]
        self.readings = 0
        self.is_down = False
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self) -> bytes:
        self.readings += 1
        self.gate.wait(5)
        if self.is_down:
            raise KeyUnusableError("down")
        return b""

    def parse(self, _document: bytes) -> list[VerificationKey]:
        return list(self.keys)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(provider: Provider, clock: Clock) -> Iterator[JwksKeys]:
    live = JwksKeys(provider.fetch, provider.parse, refresh_seconds=300, max_age_seconds=3600, clock=clock)
    yield live
    provider.gate.set()
    live.stop()


def test_the_first_question_reads_the_set(live: JwksKeys, provider: Provider) -> None:
    assert live.keys_with_id("old") == (OLD,)
    assert (live.generation, provider.readings) == (0, 1)
    for _ in range(10):
        assert live.keys_with_id("old") == (OLD,)
    assert provider.readings == 1


def test_a_token_must_name_its_key(live: JwksKeys) -> None:
    assert live.keys() == ()


def test_a_new_key_works_at_once_because_its_id_is_unknown(live: JwksKeys, provider: Provider, clock: Clock) -> None:
    assert live.keys_with_id("old")
    provider.keys = [OLD, NEW]
    clock.seconds += RETRY_SECONDS
    assert live.keys_with_id("new") == (NEW,)
    assert live.keys_with_id("old") == (OLD,)
    assert live.generation == 1


def test_unknown_key_ids_make_a_reading_every_few_seconds_at_most(
    live: JwksKeys, provider: Provider, clock: Clock
) -> None:
    assert live.keys_with_id("old")
    clock.seconds += RETRY_SECONDS
    for number in range(100):
        assert live.keys_with_id(f"unknown-{number}") == ()
    assert provider.readings == 2
    clock.seconds += RETRY_SECONDS
    assert live.keys_with_id("unknown") == ()
    assert provider.readings == 3


def test_a_reading_changes_the_generation_only_if_it_changes_a_key(live: JwksKeys, provider: Provider) -> None:
    for keys, generation in (([OLD], 0), ([OLD], 0), ([OLD, NEW], 1), ([OLD, NEW], 1), ([NEW], 2)):
        provider.keys = keys
        live.refresh()
        assert live.generation == generation
    provider.keys = [VerificationKey(FIRST, "ES256", "new")]  # another key under the same id
    live.refresh()
    assert live.generation == 3


def test_a_key_that_left_the_set_verifies_nothing_any_more(live: JwksKeys, provider: Provider) -> None:
    live.refresh()
    provider.keys = []
    live.refresh()
    assert live.keys_with_id("old") == ()


def test_known_keys_hold_while_the_set_cannot_be_read_but_not_for_ever(
    live: JwksKeys, provider: Provider, clock: Clock
) -> None:
    live.refresh()
    provider.is_down = True
    with pytest.raises(KeyUnusableError):
        live.refresh()
    clock.seconds += 3600
    assert live.keys_with_id("old") == (OLD,)
    clock.seconds += 1
    with pytest.raises(KeysUnavailableError, match="too long"):
        live.keys_with_id("old")
    with pytest.raises(KeysUnavailableError):
        _ = live.generation
    provider.is_down = False
    live.refresh()
    assert live.keys_with_id("old") == (OLD,)


def test_before_the_first_reading_no_token_is_accepted(live: JwksKeys, provider: Provider, clock: Clock) -> None:
    provider.is_down = True
    with pytest.raises(KeysUnavailableError, match="not been readable yet"):
        _ = live.generation
    provider.is_down = False
    clock.seconds += RETRY_SECONDS
    assert live.generation == 0


def test_a_request_waits_for_a_slow_set_for_a_moment_only(live: JwksKeys, provider: Provider) -> None:
    provider.gate.clear()
    with pytest.raises(KeysUnavailableError):
        live.keys_with_id("old")
    provider.gate.set()


def test_a_started_source_reads_beside_the_requests(provider: Provider) -> None:
    live = JwksKeys(provider.fetch, provider.parse, refresh_seconds=0.01, max_age_seconds=3600)
    live.start()
    try:
        assert live.keys_with_id("old")
        provider.is_down = True
        until_read(provider)
        provider.is_down, provider.keys = False, [NEW]
        until_read(provider)
        assert live.keys_with_id("new") == (NEW,)
        assert live.keys_with_id("old") == ()
    finally:
        live.stop()


def until_read(provider: Provider) -> None:
    """Waits until two readings began after now: the first of them has ended."""
    before, waiting = provider.readings, threading.Event()
    for _ in range(500):
        if provider.readings >= before + 2:
            return
        waiting.wait(0.01)
    pytest.fail("the set is not read again")


# From the settings


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*entries: dict[str, Any]) -> Path:
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps({"keys": entries}))
        return file

    return write


def jwk(key_id: str = "k-1") -> dict[str, Any]:
    return ECAlgorithm.to_jwk(FIRST, as_dict=True) | {"kid": key_id}


def test_a_key_set_takes_the_place_of_the_settings_keys(write: Callable[..., Path]) -> None:
    source = key_source(settings(jwt_algorithm="ES256", jwt_jwks_file=write(jwk()), jwt_secret=generate_secret()))
    assert source.keys_with_id("k-1") == (VerificationKey(FIRST, "ES256", "k-1"),)
    source.stop()
    assert isinstance(key_source(settings(jwt_secret=generate_secret())), FixedKeys)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"jwt_jwks_url": "https://a/b"}, "JWT_JWKS_URL serves public keys"),
        ({"jwt_jwks_url": "https://user@a", "jwt_algorithm": "ES256"}, "JWT_JWKS_URL is not"),
        ({"jwt_jwks_file": "/nowhere/jwks.json", "jwt_algorithm": "ES256"}, "cannot be read"),
        ({"jwt_jwks_file": "/a", "jwt_jwks_url": "https://a", "jwt_algorithm": "ES256"}, "both set"),
    ],
)
def test_a_key_set_that_cannot_work_stops_the_start(values: dict[str, str], sentence: str) -> None:
    with pytest.raises(KeyUnusableError, match=sentence):
        key_source(settings(**values))


def test_a_file_without_a_key_of_ours_stops_the_start(write: Callable[..., Path]) -> None:
    with pytest.raises(KeyUnusableError, match="holds no key for RS256"):
        key_source(settings(jwt_algorithm="RS256", jwt_jwks_file=write(jwk())))


def test_production_asks_for_a_key_set_over_tls_only() -> None:
    secure = {"environment": "production", "redis_url": "rediss://r/0", "jwt_algorithm": "ES256"}
    with pytest.raises(SettingsRefusedError, match="JWT_JWKS_URL is not encrypted"):
        key_source(settings(**secure, jwt_jwks_url="http://idp.test/jwks"))
