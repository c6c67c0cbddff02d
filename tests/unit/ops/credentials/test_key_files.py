import json
from pathlib import Path

import pytest

from ops.credentials.development_keys import TRUST_NAME, VERIFY_KEY_NAME, make_production_keys
from ops.credentials.key_files import find_file, read_key_files
from ops.credentials.service_keys import hand_out_production_keys
from ops.errors import OpsError
from security.artifacts.artifact_trust import TrustFile


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    make_production_keys(folder, replace=False)
    return folder


def trust(folder: Path, public_key: str) -> None:
    """Adds a key to the trust list, as a rotation does."""
    path = folder / TRUST_NAME
    content = json.loads(path.read_text())
    content["keys"].append(content["keys"][0] | {"id": "next", "public_key": public_key})
    path.write_text(json.dumps(content))


def test_every_public_key_of_the_trust_list_is_handed_out(made: Path) -> None:
    trust(made, "artifact_verify_2027.pem")
    (made / "artifact_verify_2027.pem").write_bytes((made / VERIFY_KEY_NAME).read_bytes())
    services = hand_out_production_keys(made)
    for user in ("web", "score", "trainer"):
        assert set(TrustFile(services / user / TRUST_NAME).current().keys) > {"next"}, user
    assert not (services / "drains" / "artifact_verify_2027.pem").exists()


def test_a_public_key_that_is_missing_is_named(made: Path) -> None:
    trust(made, "artifact_verify_2027.pem")
    with pytest.raises(OpsError, match=r"A public key of ARTIFACT_TRUST_FILE: .*verify_2027\.pem cannot be read: No"):
        hand_out_production_keys(made)


@pytest.mark.parametrize("name", ["/etc/next.pem", "old/next.pem", "../next.pem", "..", "."])
def test_a_public_key_is_beside_its_list(made: Path, name: str) -> None:
    trust(made, name)
    with pytest.raises(OpsError, match=r"put the key beside the list, and name it there without a folder\.$"):
        hand_out_production_keys(made)


def test_a_list_that_cannot_be_read_is_not_handed_out(made: Path) -> None:
    (made / TRUST_NAME).write_text("{")
    with pytest.raises(OpsError, match=r"^ARTIFACT_TRUST_FILE: .* is not valid"):
        hand_out_production_keys(made)


def test_a_public_key_and_a_setting_may_not_name_different_files_alike(made: Path, tmp_path: Path) -> None:
    trust(made, "next.pem")
    (made / "next.pem").write_text("one")
    (tmp_path / "next.pem").write_text("other")
    files = {"ARTIFACT_TRUST_FILE": made / TRUST_NAME, "JWT_PUBLIC_KEY_FILE": tmp_path / "next.pem"}
    with pytest.raises(OpsError, match=r"and JWT_PUBLIC_KEY_FILE are different files named next\.pem"):
        read_key_files(files)
    (tmp_path / "next.pem").write_text("one")
    assert set(read_key_files(files)) == {TRUST_NAME, VERIFY_KEY_NAME, "next.pem"}


def test_no_file_takes_the_place_of_the_folders_own(tmp_path: Path) -> None:
    (tmp_path / "production.env").touch()
    with pytest.raises(OpsError, match=r"different files named production\.env"):
        read_key_files({"HMAC_KEYS_FILE": tmp_path / "production.env"}, taken={"production.env"})


def test_a_moved_file_is_found_beside_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "a.pem").touch()
    assert find_file(tmp_path, "/absent/a.pem") == tmp_path / "a.pem"
    assert find_file(Path("/absent"), str(tmp_path / "a.pem")) == tmp_path / "a.pem"
