import base64
import itertools
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from settings import DEVELOPMENT_MARK, Settings
from tests.unit.settings.test_production_rules import production

SECRETS = ("jwt_secret", "hmac_key", "message_key", "artifact_encryption_key", "flower_password")


def refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as refusal:
        production(**changes)
    return str(refusal.value)


def test_every_secret_has_a_purpose() -> None:
    """A new one must be compared with the others, and be refused if it was made for development."""
    for name, field in Settings.model_fields.items():
        if "SecretStr" in str(field.annotation):
            assert f"{name.upper()} is a development key" in refused(**{name: DEVELOPMENT_MARK + "x" * 40})


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(SECRETS, 2)))
def test_one_key_serves_one_purpose(first: str, second: str) -> None:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    assert f"{second.upper()} is the same as {first.upper()}" in refused(**{first: key, second: key + " "})


def test_a_key_may_be_its_own_predecessor() -> None:
    key = secrets.token_urlsafe(32)
    assert production(hmac_key=key, hmac_previous_key=key).hmac_previous_key is not None


def test_a_client_s_own_key_is_no_key_of_the_platform(tmp_path: Path) -> None:
    key = secrets.token_urlsafe(32)
    file = write(tmp_path, {"key_id": "shop-1", "subject": "shop", "algorithm": "hmac-sha256", "secret": key})
    assert "HMAC_KEYS_FILE gives a client the same key as HMAC_KEY" in refused(hmac_key=key, hmac_keys_file=file)
    assert production(hmac_keys_file=file).hmac_keys_file == file


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("hmac_keys_file", {"key_id": "shop", "secret": DEVELOPMENT_MARK + "x" * 40}),
        ("hmac_keys_file", {"key_id": DEVELOPMENT_MARK + "shop", "secret": "x" * 40}),
        ("jwt_jwks_file", {"kid": "1", "k": base64.urlsafe_b64encode(b"dev_" + b"x" * 33).decode().rstrip("=")}),
        ("jwt_jwks_file", {"kid": DEVELOPMENT_MARK + "1", "k": ""}),
        ("artifact_trust_file", {"id": DEVELOPMENT_MARK + "artifact_1", "public_key": "artifact_verify.pem"}),
    ],
)
def test_development_keys_inside_of_files_are_found(tmp_path: Path, setting: str, key: dict[str, str]) -> None:
    assert f"{setting.upper()} holds a development key" in refused(**{setting: write(tmp_path, {"kid": "a"}, key)})


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"keys": 1}', b'{"keys": [1, {"k": 7, "secret": null}]}'])
def test_a_file_that_is_no_key_set_is_left_to_who_reads_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(content)
    assert production(hmac_keys_file=file, jwt_jwks_file=file, artifact_trust_file=tmp_path / "absent") is not None


def test_development_knows_none_of_these_rules(tmp_path: Path) -> None:
    file = write(tmp_path, {"key_id": "shop", "secret": DEVELOPMENT_MARK + "x" * 40})
    assert Settings(_env_file=None, hmac_keys_file=file, flower_password="x") is not None


def write(folder: Path, *keys: dict[str, str]) -> Path:
    file = folder / "keys.json"
    file.write_text(json.dumps({"keys": keys}))
    return file
