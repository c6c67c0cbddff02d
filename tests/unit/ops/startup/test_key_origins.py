import base64
import secrets
from pathlib import Path

import pytest

from ops.credentials.development_keys import make_development_keys
from ops.startup.key_origins import PREDECESSORS, development_file, repeated_keys
from ops.startup.production import refusals
from settings import DEVELOPMENT_ENV_FILE, Settings


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_key_with_a_predecessor_is_compared() -> None:
    previous = {name for name in Settings.model_fields if "_previous_" in name and not name.endswith("_id")}
    assert set(PREDECESSORS) == previous
    assert set(PREDECESSORS.values()) <= set(Settings.model_fields)


@pytest.mark.parametrize(("previous", "current"), PREDECESSORS.items())
def test_a_key_that_is_its_own_predecessor_is_named(previous: str, current: str) -> None:
    key, other = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    found = list(repeated_keys(Settings(_env_file=None, **{current: key, previous: key})))
    assert len(found) == 1
    assert found[0].startswith(f"{previous.upper()} is the same as {current.upper()}, ")
    assert key not in found[0]
    assert list(repeated_keys(Settings(_env_file=None, **{current: key, previous: other}))) == []


def test_keys_that_are_not_set_are_no_repetition() -> None:
    assert list(repeated_keys(Settings(_env_file=None))) == []


def test_the_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    key = secrets.token_urlsafe(32)
    monkeypatch.setenv("MESSAGE_KEY", key)
    monkeypatch.setenv("MESSAGE_PREVIOUS_KEY", key)
    said = [sentence for sentence in refusals(asks_servers=False) if sentence.startswith("MESSAGE_PREVIOUS_KEY is")]
    assert len(said) == 1


def test_development_keys_are_said_to_be_from_the_file_that_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    make_development_keys(DEVELOPMENT_ENV_FILE.parent, replace=False)
    for name in ("JWT_SECRET", "HMAC_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MESSAGE_KEY", secrets.token_urlsafe(32))
    said = [sentence for sentence in refusals(asks_servers=False) if DEVELOPMENT_ENV_FILE.name in sentence]
    assert len(said) == 1
    assert said[0].startswith(f"{DEVELOPMENT_ENV_FILE.absolute()} gives JWT_SECRET, ")
    assert "HMAC_KEY" in said[0]
    assert "MESSAGE_KEY" not in said[0]
    DEVELOPMENT_ENV_FILE.unlink()
    assert not [sentence for sentence in refusals(asks_servers=False) if DEVELOPMENT_ENV_FILE.name in sentence]


def test_without_the_file_there_is_nothing_to_say() -> None:
    assert list(development_file(Settings())) == []
