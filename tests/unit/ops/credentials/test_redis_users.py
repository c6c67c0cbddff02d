import re
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.commands.credentials.keys import command
from ops.credentials.development_keys import make_development_keys
from ops.credentials.redis_access_list import digest
from ops.credentials.redis_grants import USERS
from ops.credentials.redis_users import ACCESS_LIST_NAME, FOLDER_NAME, make_redis_users
from ops.errors import OpsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_redis_users(tmp_path / FOLDER_NAME, replace=False)
    return tmp_path / FOLDER_NAME


def credentials(folder: Path) -> Mapping[str, str]:
    return {name: (folder / name).read_text() for name in USERS}


def line(folder: Path, user: str) -> str:
    (found,) = [each for each in (folder / ACCESS_LIST_NAME).read_text().splitlines() if each.split()[1] == user]
    return found


def accepted(folder: Path, user: str) -> list[str]:
    return re.findall(r"#([0-9a-f]{64})", line(folder, user))


def test_each_users_password_is_the_one_that_the_list_accepts(folder: Path) -> None:
    for name, content in credentials(folder).items():
        assert accepted(folder, name) == [digest(content.removeprefix(f"{name}:").removesuffix("\n"))]


def test_grants_are_written_anew_and_every_password_stays(folder: Path) -> None:
    path = folder / ACCESS_LIST_NAME
    whole, passwords = path.read_text(), credentials(folder)
    path.write_text(re.sub(r" \(.*", " (~old* -@all +get)", whole))
    result = CliRunner().invoke(command, ["--redis-users", "--out", str(folder.parent)])
    assert result.exit_code == 0
    assert "ACL LOAD" in result.output
    assert path.read_text() == whole
    assert credentials(folder) == passwords
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_missing_user_is_added_and_the_others_stay(folder: Path) -> None:
    path = folder / ACCESS_LIST_NAME
    before = credentials(folder)
    path.write_text(path.read_text().replace(line(folder, "flower") + "\n", ""))
    (folder / "flower").unlink()
    make_redis_users(folder, replace=False)
    after = credentials(folder)
    assert {name for name in USERS if before[name] != after[name]} == {"flower"}
    assert accepted(folder, "flower") == [digest(after["flower"].strip().partition(":")[2])]


def test_a_missing_list_is_made_of_the_passwords_that_are_there(folder: Path) -> None:
    whole = (folder / ACCESS_LIST_NAME).read_text()
    (folder / ACCESS_LIST_NAME).unlink()
    make_redis_users(folder, replace=False)
    assert (folder / ACCESS_LIST_NAME).read_text() == whole


def test_a_user_whose_file_was_moved_away_keeps_its_password(folder: Path) -> None:
    before = accepted(folder, "web")
    (folder / "web").unlink()
    make_redis_users(folder, replace=False)
    assert accepted(folder, "web") == before
    assert not (folder / "web").exists()


def test_a_new_password_is_accepted_beside_the_old_one_until_that_is_removed(folder: Path) -> None:
    (old,) = accepted(folder, "web")
    (folder / "web").write_text("web:new: with / any @ character%41\n")
    make_redis_users(folder, replace=False)
    make_redis_users(folder, replace=False)
    new = digest("new: with / any @ character%41")
    assert accepted(folder, "web") == [new, old]
    path = folder / ACCESS_LIST_NAME
    path.write_text(path.read_text().replace(f" #{old}", ""))
    make_redis_users(folder, replace=False)
    assert accepted(folder, "web") == [new]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_users_of_somebody_else_stay_in_the_list(folder: Path, force: list[str]) -> None:
    own = "user monitoring on #" + "a" * 64 + " resetchannels -@all +info"
    path = folder / ACCESS_LIST_NAME
    path.write_text(path.read_text() + own + "\n\n")
    assert CliRunner().invoke(command, ["--redis-users", "--out", str(folder.parent), *force]).exit_code == 0
    assert line(folder, "monitoring") == own


def test_force_makes_new_passwords_and_accepts_no_old_one(folder: Path) -> None:
    before = {name: accepted(folder, name) for name in USERS}
    (folder / "web").write_text("malformed")
    assert CliRunner().invoke(command, ["--redis-users", "--force", "--out", str(folder.parent)]).exit_code == 0
    for name, content in credentials(folder).items():
        assert accepted(folder, name) == [digest(content.strip().partition(":")[2])] != before[name]


@pytest.mark.parametrize("content", [b"", b"web", b"web:", b"web:a\nweb:b\n", b"score:a\n", b"\xff:a"])
def test_a_malformed_file_is_one_sentence_and_changes_nothing(folder: Path, content: bytes) -> None:
    whole = (folder / ACCESS_LIST_NAME).read_text()
    (folder / "web").write_bytes(content)
    (folder / "admin").unlink()
    with pytest.raises(OpsError, match=r"^The Redis user web: [^\n]*--force` makes new passwords for everybody\.$"):
        make_redis_users(folder, replace=False)
    assert (folder / ACCESS_LIST_NAME).read_text() == whole
    assert not (folder / "admin").exists()


@pytest.mark.parametrize("content", [b"# by hand\n", b"user\n", b"\xff"])
def test_a_malformed_list_is_one_sentence_and_is_not_replaced(folder: Path, content: bytes) -> None:
    (folder / ACCESS_LIST_NAME).write_bytes(content)
    with pytest.raises(OpsError, match=rf"{ACCESS_LIST_NAME}(, line 1, does not begin| cannot be read)[^\n]*\.$"):
        make_redis_users(folder, replace=True)
    assert (folder / ACCESS_LIST_NAME).read_bytes() == content


def test_keys_that_are_made_later_leave_the_users_as_they_are(folder: Path) -> None:
    before = credentials(folder)
    make_development_keys(folder.parent, replace=False)
    assert credentials(folder) == before
    make_development_keys(folder.parent, replace=True)
    assert not credentials(folder).items() & before.items()
