"""Redis users, one per kind of process: the file with each one's password, and the access list beside them."""

import os
import secrets
from pathlib import Path
from urllib.parse import unquote

from ops.credentials.redis_access_list import Listed, access_list, digest, read_access_list
from ops.credentials.redis_grants import USERS
from ops.errors import OpsError
from settings.server_urls import read_credentials

FOLDER_NAME = "redis"
ACCESS_LIST_NAME = "users.acl"
_PASSWORD_BYTES = 32


def make_redis_users(folder: Path, *, replace: bool) -> Path:
    """Writes the access list and one credentials file per user, `user:password`; returns the access list's path.

    Passwords that are there stay accepted, and so do other users of the list. A server that runs must read it anew.

    Args:
        folder: made if missing.
        replace: make new passwords for everybody, in place of those that are there.

    Raises:
        OpsError: a file that is there is malformed, or the folder cannot be written.
    """
    path = folder / ACCESS_LIST_NAME
    listed = read_access_list(path)
    passwords, digests = {}, {}
    for name in USERS:
        before = () if replace else listed.digests.get(name, ())
        password = None if replace else _password(folder / name, name)
        if password is None and not before:
            password = passwords[name] = secrets.token_urlsafe(_PASSWORD_BYTES)
        # A user in the list without a file is one whose file was moved to its process: its password is not known here.
        own = () if password is None else (digest(password),)
        digests[name] = tuple(dict.fromkeys((*own, *before)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, password in passwords.items():
            _write(folder / name, f"{name}:{password}\n", 0o600)
        # The server runs as another user, and the list holds no password that could be used.
        _write(path, access_list(Listed(digests, listed.others)), 0o644)
    except OSError as error:
        raise OpsError(f"{folder} cannot be written: {error.strerror}.") from error
    return path


def _password(path: Path, name: str) -> str | None:
    """Returns the password in a user's file, None if there is no file.

    Raises:
        OpsError: the file cannot be read, is malformed, or is another user's.
    """
    if not path.exists():
        return None
    way_out = "correct it, or `python -m ops keys --redis-users --force` makes new passwords for everybody"
    try:
        user, _, password = read_credentials(f"The Redis user {name}", path).partition(":")
    except ValueError as error:
        raise OpsError(f"{str(error).removesuffix('.')}; {way_out}.") from error
    if unquote(user) != name:
        raise OpsError(f"The Redis user {name}: {path} is the file of another user; {way_out}.")
    return unquote(password)


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
