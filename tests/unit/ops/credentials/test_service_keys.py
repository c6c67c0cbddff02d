from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from ops.commands.credentials.keys import command
from ops.credentials import service_keys
from ops.credentials.development_keys import make_development_keys, make_production_keys
from ops.credentials.redis_grants import USER_OF_ROLE
from ops.credentials.service_keys import (
    FOLDER_NAME,
    NEEDS,
    SERVER,
    hand_out_keys,
    hand_out_production_keys,
    names_of_nobody,
    needed,
)
from ops.errors import OpsError
from settings import Settings


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    make_development_keys(folder, replace=False)
    hand_out_keys(folder)
    return folder


def names(folder: Path, user: str) -> set[str]:
    return set(dotenv_values(folder / FOLDER_NAME / user / "dev.env"))


def test_every_role_has_a_folder(keys: Path) -> None:
    assert set(USER_OF_ROLE.values()) == set(NEEDS)
    assert {each.name for each in (keys / FOLDER_NAME).iterdir()} == {*NEEDS, SERVER}


def test_each_kind_has_its_own_keys_and_no_others(keys: Path) -> None:
    everything = dict(dotenv_values(keys / "dev.env"))
    for user in NEEDS:
        own = dict(dotenv_values(keys / FOLDER_NAME / user / "dev.env"))
        assert own.items() <= everything.items(), user
        assert sorted(each.name for each in (keys / FOLDER_NAME / user / "redis").iterdir()) == [user]
    assert {user for user in NEEDS if "MESSAGE_KEY" in names(keys, user)} == set(NEEDS) - {"flower"}
    assert {user for user in NEEDS if "JWT_SECRET" in names(keys, user)} == {"web"}
    assert {user for user in NEEDS if "HMAC_KEY" in names(keys, user)} == {"web"}
    assert {user for user in NEEDS if "ARTIFACT_SIGNING_KEY_FILE" in names(keys, user)} == {"trainer"}
    private = list((keys / FOLDER_NAME).rglob("artifact_signing.pem"))
    assert [each.parent.name for each in private] == ["trainer"]
    for user in ("web", "score", "trainer"):
        assert (keys / FOLDER_NAME / user / "artifact_trust.json").exists()


def test_only_the_access_list_can_be_read_by_others(keys: Path) -> None:
    for each in (keys / FOLDER_NAME).rglob("*"):
        is_servers = SERVER in {each.parent.name, each.name}
        assert bool(each.stat().st_mode & 0o077) == is_servers, each


def test_a_second_time_hands_out_what_is_new_and_takes_back_the_rest(keys: Path) -> None:
    env = keys / "dev.env"
    env.write_text(env.read_text().replace("MESSAGE_KEY=", "MESSAGE_PREVIOUS_KEY="))
    (keys / FOLDER_NAME / "beat" / "left.pem").touch()
    hand_out_keys(keys)
    assert names(keys, "beat") == {"MESSAGE_PREVIOUS_KEY"}
    assert not (keys / FOLDER_NAME / "beat" / "left.pem").exists()


def test_every_secret_setting_belongs_to_some_user() -> None:
    secrets = {name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert "ARTIFACT_PREVIOUS_ENCRYPTION_KEY" in secrets
    assert not secrets.difference(*(needed(user, dict.fromkeys(secrets, "x")) for user in NEEDS))
    for user in ("web", "score", "trainer"):
        assert needed(user, {"ARTIFACT_PREVIOUS_ENCRYPTION_KEY": "x"}), user


def test_what_nobody_gets_is_named(tmp_path: Path) -> None:
    env_file = make_production_keys(tmp_path / "keys", replace=False)
    assert names_of_nobody(env_file) == []
    env_file.write_text(env_file.read_text() + "MONGO_URL=mongodb://user:secret@mongo/\nTLS_KEY_FILE=tls.pem\n")
    result = CliRunner().invoke(command, ["--redis-users", "--production", "--out", str(env_file.parent)])
    assert result.exit_code == 0, result.output
    assert f"No process gets MONGO_URL, TLS_KEY_FILE of {env_file}; give it" in result.output


def test_without_keys_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="holds no keys; make them with `python -m ops keys`"):
        hand_out_keys(tmp_path)


def test_in_production_each_folder_is_all_that_its_processes_need_wherever_they_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_production_keys(Path("made"), replace=False)
    services = hand_out_production_keys(Path("made"))
    for user in NEEDS:
        values = dict(dotenv_values(services / user / "production.env"))
        files = {name: Path(value or "") for name, value in values.items() if name.endswith("_FILE")}
        assert files["REDIS_CREDENTIALS_FILE"] == tmp_path / "made" / "services" / user / "redis" / user
        for path in files.values():
            assert path.is_absolute()
            assert path.is_relative_to(services / user)
            assert path.is_file()
    assert set(dotenv_values(services / "flower" / "production.env")) == {
        "FLOWER_USER",
        "FLOWER_PASSWORD",
        "REDIS_CREDENTIALS_FILE",
    }
    everything = dict(dotenv_values("made/production.env"))
    assert all(Path(value or "").is_absolute() for name, value in everything.items() if name.endswith("_FILE"))


def test_new_redis_passwords_reach_the_folders_of_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(command, ["--production"])
    assert made.exit_code == 0, made.output
    keys = tmp_path / "var" / "keys" / "production"
    assert f"{keys}/services/USER/production.env" in made.output
    assert "drains   for explain, publish, labels" in made.output
    before = (keys / "services" / "web" / "redis" / "web").read_text()
    monkeypatch.setenv("ENVIRONMENT", "production")
    assert CliRunner().invoke(command, ["--redis-users", "--force"]).exit_code == 0
    after = (keys / "services" / "web" / "redis" / "web").read_text()
    assert before != after == (keys / "redis" / "web").read_text()
    assert not (tmp_path / "var" / "keys" / "redis").exists()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    make_production_keys(folder, replace=False)
    hand_out_production_keys(folder)
    return folder


def state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def add(folder: Path, text: str) -> None:
    with (folder / "production.env").open("a") as file:
        file.write(text)


def redis_users(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(command, ["--redis-users", "--production", "--out", str(folder), *options])


def test_a_file_is_read_where_the_setting_says(made: Path, tmp_path: Path) -> None:
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "hmac.json").write_text("named")
    (made / "hmac.json").write_text("beside")
    add(made, f"HMAC_KEYS_FILE={tmp_path}/clients/hmac.json\n")
    services = hand_out_production_keys(made)
    assert (services / "web" / "hmac.json").read_text() == "named"
    (tmp_path / "clients" / "hmac.json").unlink()
    assert (hand_out_production_keys(made) / "web" / "hmac.json").read_text() == "beside"


def test_a_refusal_leaves_everything_as_it_was(made: Path) -> None:
    add(made, "HMAC_KEYS_FILE=/absent/hmac.json\n")
    (made / "redis" / "users.acl").write_text((made / "redis" / "users.acl").read_text().replace("+evalsha", ""))
    before = state(made)
    result = redis_users(made)
    assert isinstance(result.exception, OpsError)
    assert str(result.exception) == f"HMAC_KEYS_FILE: {made}/hmac.json cannot be read: No such file or directory."
    with pytest.raises(OpsError, match="HMAC_KEYS_FILE"):
        hand_out_production_keys(made)
    assert state(made) == before


def test_a_redis_user_whose_file_is_gone_changes_nothing_until_all_get_new_passwords(made: Path) -> None:
    (made / "redis" / "trainer").unlink()
    before = state(made)
    assert "put the file back, or --force" in str(redis_users(made).exception)
    assert state(made) == before
    assert redis_users(made, "--force").exit_code == 0
    assert (made / "services" / "trainer" / "redis" / "trainer").read_bytes() != before[
        f"{made}/services/trainer/redis/trainer"
    ]


def test_two_different_files_of_one_name_are_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("one")
    (made / "keys.json").write_text("other")
    add(made, f"HMAC_KEYS_FILE={tmp_path}/keys.json\nJWT_JWKS_FILE={made}/keys.json\n")
    with pytest.raises(OpsError, match=r"JWT_JWKS_FILE and HMAC_KEYS_FILE are different files named keys.json; rename"):
        hand_out_production_keys(made)
    (made / "keys.json").write_text("one")
    assert (hand_out_production_keys(made) / "web" / "keys.json").read_text() == "one"


def test_no_folder_is_without_its_keys_meanwhile(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may start at any moment; and where the disk is full, the old keys stay."""
    before = state(made / "services")

    def fail(folder: Path, *_: object, **__: object) -> None:
        raise OpsError(f"{folder} cannot be written: No space left on device.")

    monkeypatch.setattr(service_keys, "write_new_files", fail)
    with pytest.raises(OpsError, match="No space left"):
        hand_out_production_keys(made)
    assert state(made / "services") == before


def test_an_operators_own_value_reaches_the_processes_unchanged(made: Path) -> None:
    add(made, "JWT_ISSUER='https://issuer/?a=b&c=$d #e'\n")
    web = hand_out_production_keys(made) / "web" / "production.env"
    assert dotenv_values(web)["JWT_ISSUER"] == "https://issuer/?a=b&c=$d #e"
    assert "JWT_ISSUER='https" in web.read_text()
    before = state(made / "services")
    add(made, 'JWT_AUDIENCE="it\'s"\n')
    with pytest.raises(OpsError, match="JWT_AUDIENCE has a '"):
        hand_out_production_keys(made)
    assert state(made / "services") == before
