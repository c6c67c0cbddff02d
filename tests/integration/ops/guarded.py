"""A real server that knows each kind of process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from ops.credentials.redis_users import FOLDER_NAME, make_redis_users
from ops.embedded.server import serving
from ops.embedded.valkey import command, is_healthy
from ops.processes.ports import free_port


class Guarded:
    """A server with the access list, and its users' credentials."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def client(self, user: str) -> redis.Redis:
        name, _, password = (self.folder / user).read_text().strip().partition(":")
        return redis.Redis(port=self.port, username=name, password=password)

    def url(self, user: str) -> str:
        return f"redis://{(self.folder / user).read_text().strip()}@127.0.0.1:{self.port}/0"

    def env(self, user: str) -> dict[str, str]:
        url = f"redis://127.0.0.1:{self.port}/0"
        return {"REDIS_URL": url, "REDIS_CREDENTIALS_FILE": str(self.folder / user)}


@contextmanager
def guarded_server(folder: Path, *, appendfsync: str = "everysec") -> Iterator[Guarded]:
    """Serves from the folder, with users made there."""
    port = free_port()
    access_list = make_redis_users(folder / FOLDER_NAME, replace=False)
    argv = [*command(folder, port, appendfsync=appendfsync), "--aclfile", str(access_list)]
    with serving(argv, name="valkey", directory=folder, is_healthy=lambda: is_healthy(port)):
        yield Guarded(folder / FOLDER_NAME, port)
