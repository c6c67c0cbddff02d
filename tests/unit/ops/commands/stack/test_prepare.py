from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.commands.stack import prepare
from ops.credentials.development_keys import make_development_keys
from ops.credentials.redis_grants import USERS
from ops.credentials.redis_users import ACCESS_LIST_NAME
from ops.credentials.redis_users import FOLDER_NAME as REDIS_FOLDER_NAME
from ops.credentials.service_keys import FOLDER_NAME, SERVER


def test_an_upgrade_hands_the_server_new_grants_and_nobody_a_new_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = make_development_keys(tmp_path, replace=False)
    redis = tmp_path / REDIS_FOLDER_NAME
    path = redis / ACCESS_LIST_NAME
    whole, passwords = path.read_text(), {user: (redis / user).read_text() for user in USERS}
    path.write_text(whole.replace("+evalsha", ""))
    monkeypatch.setattr(prepare, "DEVELOPMENT_ENV_FILE", env_file)
    monkeypatch.setattr(prepare, "prepare", lambda _: None)
    result = CliRunner().invoke(prepare.command, [])
    assert result.exit_code == 0, result.output
    assert path.read_text() == whole
    assert (tmp_path / FOLDER_NAME / SERVER / ACCESS_LIST_NAME).read_text() == whole
    assert {user: (redis / user).read_text() for user in USERS} == passwords
    assert (tmp_path / FOLDER_NAME / "web" / REDIS_FOLDER_NAME / "web").read_text() == passwords["web"]
