from pathlib import Path

import pytest
from dotenv import dotenv_values

from ops.credentials.development_keys import make_development_keys
from ops.credentials.redis_grants import USER_OF_ROLE
from ops.credentials.service_keys import FOLDER_NAME, NEEDS, SERVER, hand_out_keys
from ops.errors import OpsError


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


def test_without_keys_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="holds no keys; make them with `python -m ops keys`"):
        hand_out_keys(tmp_path)
