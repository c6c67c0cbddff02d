"""Redis users, one per kind of process: their passwords and the server's access list file.

Connecting, transactions and loading a script are free to all; what else a user may do is in `redis_grants` beside this.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from ops.credentials.redis_grants import USERS
from ops.errors import OpsError

FOLDER_NAME = "redis"
ACCESS_LIST_NAME = "users.acl"
_PASSWORD_BYTES = 32

_CONNECT = "+ping +hello +select +client|setinfo +client|setname +multi +exec +discard +time +info +waitaof +wait"
_SCRIPTS = "+script|load +script|exists"


def access_list(passwords: Mapping[str, str]) -> str:
    """Returns the access list file of these users: passwords as SHA-256, everybody else may only PING."""
    lines = ["user default on nopass resetkeys resetchannels -@all +ping"]
    for name, password in passwords.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        selectors = " ".join(f"({grant.on} {_allowed(grant.may)})" for grant in USERS[name])
        base = f"user {name} on #{digest} resetkeys resetchannels -@all {_CONNECT} {_SCRIPTS}"
        lines.append(f"{base} {selectors}")
    return "\n".join([*lines, ""])


def _allowed(commands: str) -> str:
    return "-@all " + " ".join(f"+{command}" for command in commands.split())


def make_redis_users(folder: Path, *, replace: bool) -> Path:
    """Writes the access list and one credentials file per user, `user:password`; returns the access list's path.

    Args:
        folder: made if missing.
        replace: make new passwords where there are some; the server must read the list anew.

    Raises:
        OpsError: there are users already and `replace` is false, or the folder cannot be written.
    """
    passwords = {name: secrets.token_urlsafe(_PASSWORD_BYTES) for name in USERS}
    path = folder / ACCESS_LIST_NAME
    if path.exists() and not replace:
        raise OpsError(f"{path} exists already; --force makes new users.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, password in passwords.items():
            _write(folder / name, f"{name}:{password}\n", 0o600)
        # The server runs as another user, and the list holds no password that could be used.
        _write(path, access_list(passwords), 0o644)
    except OSError as error:
        raise OpsError(f"{folder} cannot be written: {error.strerror}.") from error
    return path


def _write(path: Path, content: str, mode: int) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(mode)
    temporary.replace(path)
