import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.errors import StackError
from ops.stack import state
from ops.stack.addresses import (
    FEATURES,
    KAFKA,
    MONGO,
    REDIS,
    join_process,
    joined_settings,
    named_addresses,
    registry_settings,
)
from settings import Settings

ADDRESSES = {
    "REDIS_URL": "redis://127.0.0.1:1111/0",
    "MONGO_URL": "mongodb://127.0.0.1:2222/",
    "KAFKA_BOOTSTRAP": "127.0.0.1:3333",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def running() -> Iterator[dict[str, str]]:
    """A stack that runs in var with these addresses; what a test adds to them counts from then on."""
    env = dict(ADDRESSES)
    with state.holding_lock(Path("var")):
        state.write(Path("var"), state.StackState("running", 1, "now", env=env))
        yield env


def rewrite(env: dict[str, str]) -> None:
    state.write(Path("var"), state.StackState("running", 1, "now", env=env))


@pytest.mark.parametrize("servers", [(REDIS,), (FEATURES,), (REDIS, MONGO, KAFKA)])
def test_without_a_stack_and_a_name_nothing_is_touched(servers: tuple) -> None:
    with pytest.raises(StackError, match="No stack runs in var, and the settings name no other: start one by"):
        joined_settings(*servers)


def test_the_setting_that_is_set_is_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", ADDRESSES["REDIS_URL"])
    monkeypatch.setenv("MONGO_URL", ADDRESSES["MONGO_URL"])
    joined_settings(FEATURES)
    assert capsys.readouterr().err.endswith(", as REDIS_URL says.\n")
    joined_settings(REDIS, MONGO)
    assert capsys.readouterr().err.endswith(", as REDIS_URL and MONGO_URL say.\n")


def test_each_server_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", ADDRESSES["REDIS_URL"])
    assert joined_settings(REDIS).redis_url == ADDRESSES["REDIS_URL"]
    with pytest.raises(StackError, match="or set REDIS_URL and MONGO_URL"):
        joined_settings(REDIS, MONGO)


def test_what_is_named_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FEATURE_REDIS_URL", "redis://user:s3cr3t@features:1/0")
    joined_settings(FEATURES)
    output = capsys.readouterr()
    assert output.err == "Works on the feature store redis://features:1/0, as FEATURE_REDIS_URL says.\n"
    assert output.out == ""


@pytest.mark.usefixtures("running")
def test_beside_a_stack_a_command_works_on_it_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    settings = joined_settings(REDIS, MONGO, KAFKA)
    assert (settings.redis_url, settings.mongo_url, settings.kafka_bootstrap) == tuple(ADDRESSES.values())
    assert capsys.readouterr().err == (
        "Works on Redis redis://127.0.0.1:1111/0 and MongoDB mongodb://127.0.0.1:2222/ (shrike) and "
        "Kafka 127.0.0.1:3333, of the stack that runs in var.\n"
    )


def test_a_stack_s_other_stores_are_found_too(running: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """They were named in the environment of `up`, and not in that of the command."""
    shards = {"s1": "redis://127.0.0.1:4444/0"}
    rewrite(running | {"FEATURE_REDIS_URL": "redis://127.0.0.1:5555/0", "SCORE_SHARD_URLS": json.dumps(shards)})
    monkeypatch.setenv("REDIS_URL", ADDRESSES["REDIS_URL"])
    settings = joined_settings(FEATURES)
    assert (settings.feature_store_url, settings.score_shard_urls) == ("redis://127.0.0.1:5555/0", shards)


@pytest.mark.usefixtures("running")
def test_another_server_than_the_stack_s_is_taken_only_if_all_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:1/0")
    with pytest.raises(StackError, match="REDIS_URL is not that of the stack that runs in var: take it out"):
        joined_settings(REDIS, MONGO)
    assert joined_settings(REDIS).redis_url == "redis://elsewhere:1/0"
    assert capsys.readouterr().err == (
        "Works on Redis redis://elsewhere:1/0, as REDIS_URL says, not the stack that runs in var.\n"
    )


@pytest.mark.usefixtures("running")
def test_a_process_started_by_hand_joins_the_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = dict(os.environ)
    monkeypatch.setattr(os, "environ", environment)
    join_process(REDIS, MONGO)
    assert environment.items() >= ADDRESSES.items()
    assert "of the stack that runs in var." in capsys.readouterr().err


def test_a_process_that_is_told_everything_looks_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", ADDRESSES["REDIS_URL"])
    join_process(REDIS)
    assert capsys.readouterr().err == ""
    with pytest.raises(StackError, match="No stack runs in var, and the settings name no other"):
        join_process(REDIS, KAFKA)


def test_models_are_the_stack_s_unless_others_are_named(
    running: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registry_settings().models_path == Path("var/models")
    rewrite(running | {"MODEL_DIR": "/srv/models"})
    assert registry_settings().models_path == Path("/srv/models")
    monkeypatch.setenv("MODEL_DIR", "/srv/others")
    assert registry_settings().models_path == Path("/srv/others")


def test_recorded_are_the_named_addresses_and_no_credentials_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "web"
    file.write_text("web:p/w\n")
    settings = Settings(
        _env_file=None,
        redis_credentials_file=file,
        redis_url="redis://a:1/0",
        score_shard_urls={"s1": "redis://b:1/0"},
        mongo_url="mongodb://own:pass@m/",
        model_dir="models",
    )
    assert named_addresses(settings) == {
        "REDIS_URL": "redis://a:1/0",
        "SCORE_SHARD_URLS": '{"s1": "redis://b:1/0"}',
        "MONGO_URL": "mongodb://own:pass@m/",
        "MODEL_DIR": str(tmp_path / "models"),
    }
    assert named_addresses(Settings(_env_file=None)) == {}
