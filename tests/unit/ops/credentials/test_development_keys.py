import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from ops.commands.credentials.keys import command
from ops.credentials.development_keys import (
    ENV_NAME,
    SIGNING_KEY_NAME,
    TRUST_NAME,
    VERIFY_KEY_NAME,
    KeysExistError,
    make_development_keys,
    make_production_keys,
)
from ops.credentials.redis_users import ACCESS_LIST_NAME, FOLDER_NAME
from ops.errors import OpsError
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from security.keys import check_secret
from settings import DEVELOPMENT_MARK, Environment, Settings

SECRETS = ("jwt_secret", "hmac_key", "message_key", "artifact_encryption_key", "flower_password")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "keys"


@pytest.fixture
def settings(folder: Path) -> Settings:
    return Settings(_env_file=make_development_keys(folder, replace=False))


def test_a_new_machine_has_every_key_it_needs(settings: Settings) -> None:
    for name in ("jwt_secret", "hmac_key", "message_key"):
        assert check_secret(name, getattr(settings, name))
    signature = ArtifactSigner.from_settings(settings).sign(b"manifest")
    assert settings.artifact_key_id is not None
    verifier = ArtifactVerifier.from_settings(settings)
    verifier.verify(b"manifest", signature=signature, key_id=settings.artifact_key_id)


def test_every_secret_and_key_id_carries_the_development_mark(settings: Settings) -> None:
    assert all(getattr(settings, name).get_secret_value().startswith(DEVELOPMENT_MARK) for name in SECRETS)
    assert settings.jwt_key_id is not None
    assert settings.jwt_key_id.startswith(DEVELOPMENT_MARK)
    assert settings.artifact_key_id is not None
    assert settings.artifact_key_id.startswith(DEVELOPMENT_MARK)


def test_no_two_secrets_are_equal(folder: Path, settings: Settings) -> None:
    again = Settings(_env_file=make_development_keys(folder, replace=True))
    values = [getattr(each, name).get_secret_value() for each in (settings, again) for name in SECRETS]
    assert len(set(values)) == 2 * len(SECRETS)


def test_production_refuses_each_of_them(folder: Path) -> None:
    env_file = make_development_keys(folder, replace=False)
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=env_file, environment=Environment.PRODUCTION)
    message = str(caught.value.errors(include_input=False))
    for name in (*SECRETS, "jwt_key_id", "artifact_key_id"):
        assert f"{name.upper()} " in message


def test_only_this_user_can_read_them(folder: Path) -> None:
    make_development_keys(folder, replace=False)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ACCESS_LIST_NAME]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {path.name for path in folder.iterdir()} == {
        ENV_NAME,
        SIGNING_KEY_NAME,
        VERIFY_KEY_NAME,
        TRUST_NAME,
        FOLDER_NAME,
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", [ENV_NAME, SIGNING_KEY_NAME, VERIFY_KEY_NAME, TRUST_NAME])
def test_existing_keys_are_not_replaced_unless_asked(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    (folder / name).write_text("mine")
    with pytest.raises(KeysExistError, match="--force"):
        make_development_keys(folder, replace=False)
    assert (folder / name).read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == [name]
    make_development_keys(folder, replace=True)
    assert (folder / name).read_text() != "mine"


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OpsError, match="cannot be written") as caught:
        make_development_keys(tmp_path / "file" / "keys", replace=False)
    assert "\n" not in str(caught.value)


def test_the_command_says_where_the_keys_are_and_shows_none(folder: Path) -> None:
    result = CliRunner().invoke(command, ["--out", str(folder)])
    assert result.exit_code == 0
    assert str(folder / ENV_NAME) in result.output
    assert DEVELOPMENT_MARK not in result.output
    again = CliRunner().invoke(command, ["--out", str(folder)])
    assert isinstance(again.exception, KeysExistError)


@pytest.mark.parametrize(
    "name", ["a b", "$(touch marked)", "`id`", "a'b", 'a"b', "a#b", "a;b", "a&b", "a\\b", "a\nb", "~", "é"]
)
def test_a_folder_that_a_shell_would_not_read_as_it_is_gets_no_production_keys(tmp_path: Path, name: str) -> None:
    with pytest.raises(OpsError, match="choose another --out") as caught:
        make_production_keys(tmp_path / name, replace=False)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_shell_reads_the_folder_of_production_keys_as_it_is(tmp_path: Path) -> None:
    env_file = make_production_keys(tmp_path / "K1_.-@+:,z", replace=False)
    command = '. "$0"; printf %s "$ARTIFACT_SIGNING_KEY_FILE"'
    read = subprocess.run(["sh", "-c", command, env_file], capture_output=True, text=True, check=True, timeout=60)
    assert read.stdout == str(env_file.parent / SIGNING_KEY_NAME)
