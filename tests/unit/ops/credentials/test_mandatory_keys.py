from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ops.commands.credentials.keys import command
from ops.credentials.development_keys import make_production_keys
from ops.credentials.mandatory_keys import MANDATORY
from ops.credentials.service_keys import NEEDS, hand_out_production_keys, needed
from ops.errors import OpsError


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = make_production_keys(tmp_path / "made", replace=False)
    hand_out_production_keys(path.parent)
    return path


def redis_users(env_file: Path) -> Result:
    return CliRunner().invoke(command, ["--redis-users", "--production", "--out", str(env_file.parent)])


def test_every_mandatory_key_is_one_that_its_user_gets() -> None:
    assert set(MANDATORY) == set(NEEDS)
    for user, groups in MANDATORY.items():
        names = dict.fromkeys([name for group in groups for name in group], "x")
        assert needed(user, names) == names


def test_a_misspelt_key_is_named_with_the_nearest_and_with_who_lacks_it(env_file: Path) -> None:
    right = env_file.read_text()
    env_file.write_text(right.replace("\nMESSAGE_KEY=", "\nMESAGE_KEY="))
    before = {path: path.read_bytes() for path in env_file.parent.rglob("*") if path.is_file()}
    result = redis_users(env_file)
    assert result.exit_code == 1
    assert isinstance(result.exception, OpsError)
    assert str(result.exception) == (
        f"{env_file} names MESAGE_KEY, which is no setting; MESSAGE_KEY is the nearest one. "
        f"{env_file} sets no MESSAGE_KEY, without which these do not start: web, score, drains, trainer, beat. "
        "Nothing was handed out; correct the file, then repeat the command."
    )
    assert {path: path.read_bytes() for path in env_file.parent.rglob("*") if path.is_file()} == before
    env_file.write_text(right)
    assert redis_users(env_file).exit_code == 0


@pytest.mark.parametrize(
    "name", sorted({name for groups in MANDATORY.values() for (name, *others) in groups if not others})
)
def test_a_key_without_a_value_is_missing(env_file: Path, name: str) -> None:
    lines = [f"{name}=" if line.startswith(f"{name}=") else line for line in env_file.read_text().splitlines()]
    env_file.write_text("\n".join(lines))
    with pytest.raises(OpsError, match=f"sets no {name}, without which"):
        hand_out_production_keys(env_file.parent)


@pytest.mark.parametrize(
    ("made", "instead"),
    [
        ("JWT_SECRET", "JWT_JWKS_URL=https://issuer/keys"),
        ("HMAC_KEY", "HMAC_KEYS_FILE=clients.json"),
        ("ARTIFACT_VERIFY_KEY_FILE", ""),
    ],
)
def test_one_of_several_ways_is_enough(env_file: Path, made: str, instead: str) -> None:
    (env_file.parent / "clients.json").write_text("{}")
    lines = [instead if line.startswith(f"{made}=") else line for line in env_file.read_text().splitlines()]
    env_file.write_text("\n".join(lines))
    assert hand_out_production_keys(env_file.parent).is_dir()
