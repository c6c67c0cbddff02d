"""Keys for a development machine: every secret the platform needs, and the artifact key pair.

Every secret and key id starts with `DEVELOPMENT_MARK`, and production refuses those.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.credentials.redis_users import FOLDER_NAME, make_redis_users
from ops.errors import OpsError
from security.artifacts.artifact_encryption import generate_encryption_key_text
from security.artifacts.artifact_pem import private_key_pem, public_key_pem
from security.keys import generate_secret
from settings import DEVELOPMENT_ENV_FILE, DEVELOPMENT_MARK

ENV_NAME = DEVELOPMENT_ENV_FILE.name
SIGNING_KEY_NAME = "artifact_signing.pem"
VERIFY_KEY_NAME = "artifact_verify.pem"
TRUST_NAME = "artifact_trust.json"

_KEY_LIFE = timedelta(days=398)
"""Long enough not to surprise a development machine, short enough for a rotation to be practised."""

_FLOWER_PASSWORD_BYTES = 12  # short enough to type; Flower listens on loopback in development


class KeysExistError(OpsError):
    """Keys are there already and were not to be replaced."""


def make_development_keys(folder: Path, *, replace: bool) -> Path:
    """Writes new keys into a folder and returns the env file that names them all.

    Args:
        folder: made if missing, for this user alone.
        replace: overwrite keys that are there; what they signed or encrypted is lost with them.

    Raises:
        KeysExistError: one of the files exists and `replace` is false.
        OpsError: the folder cannot be written.
    """
    private_key, key_id = Ed25519PrivateKey.generate(), _key_id("artifact")
    # The env file comes last: it is what makes the others count.
    contents = {
        SIGNING_KEY_NAME: private_key_pem(private_key),
        VERIFY_KEY_NAME: public_key_pem(private_key.public_key()),
        TRUST_NAME: _trust_text(key_id).encode(),
        ENV_NAME: _env_text(folder, key_id).encode(),
    }
    write_new_files(folder, contents, replace=replace)
    make_redis_users(folder / FOLDER_NAME, replace=True)
    return folder / ENV_NAME


def _trust_text(key_id: str) -> str:
    """Returns the list of accepted keys: one, from a day ago, for machines whose clocks differ, until its end."""
    now = datetime.now(UTC).replace(microsecond=0)
    entry = {
        "id": key_id,
        "public_key": VERIFY_KEY_NAME,
        "not_before": (now - timedelta(days=1)).isoformat(),
        "not_after": (now + _KEY_LIFE).isoformat(),
    }
    return json.dumps({"keys": [entry], "revoked_keys": [], "revoked_versions": []}, indent=2) + "\n"


def _env_text(folder: Path, artifact_key_id: str) -> str:
    values = {
        "JWT_SECRET": generate_secret(DEVELOPMENT_MARK),
        "JWT_KEY_ID": _key_id("jwt"),
        "HMAC_KEY": generate_secret(DEVELOPMENT_MARK),
        "MESSAGE_KEY": generate_secret(DEVELOPMENT_MARK),
        "ARTIFACT_ENCRYPTION_KEY": DEVELOPMENT_MARK + generate_encryption_key_text(),
        "ARTIFACT_KEY_ID": artifact_key_id,
        "ARTIFACT_SIGNING_KEY_FILE": folder / SIGNING_KEY_NAME,
        "ARTIFACT_VERIFY_KEY_FILE": folder / VERIFY_KEY_NAME,
        "ARTIFACT_TRUST_FILE": folder / TRUST_NAME,
        "FLOWER_PASSWORD": DEVELOPMENT_MARK + secrets.token_urlsafe(_FLOWER_PASSWORD_BYTES),
    }
    lines = ["# Development keys, made by `python -m ops keys`. Production refuses them; never commit this file."]
    return "\n".join([*lines, *(f"{name}={value}" for name, value in values.items()), ""])


def _key_id(purpose: str) -> str:
    return f"{DEVELOPMENT_MARK}{purpose}_{secrets.token_hex(3)}"


def write_new_files(folder: Path, contents: Mapping[str, bytes], *, replace: bool) -> None:
    """Writes files for this user alone, in their order, each whole or not at all.

    Raises:
        KeysExistError: one of the files exists and `replace` is false.
        OpsError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        existing = [name for name in contents if (folder / name).exists()]
        if existing and not replace:
            raise KeysExistError(f"{folder / existing[0]} exists already; --force makes new ones.")
        for name, content in contents.items():
            _write_private(folder / name, content)
    except OSError as error:
        raise OpsError(f"{folder} cannot be written: {error.strerror}.") from error


def _write_private(path: Path, content: bytes) -> None:
    """Writes a file that only this user can read, whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
