"""Every secret the platform needs, and the artifact key pair: for a development machine or for production.

Every secret and key id for development starts with `DEVELOPMENT_MARK`, and production refuses those.
"""

import json
import os
import re
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
from settings import DEVELOPMENT_ENV_FILE, DEVELOPMENT_MARK, Environment, asked_environment

ENV_NAME = DEVELOPMENT_ENV_FILE.name
PRODUCTION_ENV_NAME = "production.env"
SIGNING_KEY_NAME = "artifact_signing.pem"
VERIFY_KEY_NAME = "artifact_verify.pem"
TRUST_NAME = "artifact_trust.json"

_KEY_LIFE = timedelta(days=398)
"""Long enough not to surprise a development machine, short enough for a rotation to be practised."""

_PLAIN_FOLDER = re.compile(r"[\w./@+:,-]+", re.ASCII)
"""What every reader of an env file takes as it is: the shell's `.` executes the file."""

_FLOWER_PASSWORD_BYTES = 15  # short enough to type, and 20 characters


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
    return _make_keys(folder, DEVELOPMENT_MARK, replace=replace)


def refuse_in_production(made: str, instead: str) -> None:
    """Refuses to make what production refuses to use.

    Raises:
        OpsError: ENVIRONMENT is production.
    """
    if asked_environment() is Environment.PRODUCTION:
        raise OpsError(f"ENVIRONMENT is production, which refuses {made}; {instead}.")


def make_production_keys(folder: Path, *, replace: bool) -> Path:
    """Writes new keys that production accepts into a folder and returns the env file; arguments and errors as above."""
    return _make_keys(folder, "", replace=replace)


def _make_keys(folder: Path, mark: str, *, replace: bool) -> Path:
    if not mark:
        # A process of production may start in any folder; the development file moves with its checkout.
        folder = folder.absolute()
        if not _PLAIN_FOLDER.fullmatch(str(folder)):
            raise OpsError(
                f"{str(folder)!r} has a character in it other than A-Z a-z 0-9 . _ / @ + : , -, and a shell that reads "
                "an env file with such a path may change or even execute it; choose another --out."
            )
    private_key, key_id = Ed25519PrivateKey.generate(), _key_id(mark, "artifact")
    env_name = ENV_NAME if mark else PRODUCTION_ENV_NAME
    # The env file comes last: it is what makes the others count.
    contents = {
        SIGNING_KEY_NAME: private_key_pem(private_key),
        VERIFY_KEY_NAME: public_key_pem(private_key.public_key()),
        TRUST_NAME: _trust_text(key_id).encode(),
        env_name: _env_text(folder, key_id, mark).encode(),
    }
    write_new_files(folder, contents, replace=replace)
    make_redis_users(folder / FOLDER_NAME, replace=replace)
    return folder / env_name


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


def _env_text(folder: Path, artifact_key_id: str, mark: str) -> str:
    values = {
        "JWT_SECRET": generate_secret(mark),
        "JWT_KEY_ID": _key_id(mark, "jwt"),
        "HMAC_KEY": generate_secret(mark),
        "MESSAGE_KEY": generate_secret(mark),
        "ARTIFACT_ENCRYPTION_KEY": mark + generate_encryption_key_text(),
        "ARTIFACT_KEY_ID": artifact_key_id,
        "ARTIFACT_SIGNING_KEY_FILE": folder / SIGNING_KEY_NAME,
        "ARTIFACT_VERIFY_KEY_FILE": folder / VERIFY_KEY_NAME,
        "ARTIFACT_TRUST_FILE": folder / TRUST_NAME,
        "FLOWER_USER": "operator",
        "FLOWER_PASSWORD": mark + secrets.token_urlsafe(_FLOWER_PASSWORD_BYTES),
    }
    about = (
        "Development keys, made by `python -m ops keys`. Production refuses them"
        if mark
        else "Production keys, made by `python -m ops keys --production`; docs/production.md says who needs which"
    )
    lines = [f"# {about}; never commit this file."]
    return "\n".join([*lines, *(f"{name}={value}" for name, value in values.items()), ""])


def _key_id(mark: str, purpose: str) -> str:
    return f"{mark}{purpose}_{secrets.token_hex(3)}"


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
