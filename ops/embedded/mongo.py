"""The embedded MongoDB: a server that speaks MongoDB's wire protocol over SQLite files.

It keeps every acknowledged write and supports what this project uses (bulk upserts, unique indexes, cursors,
aggregation, journaled write concern), but has no authentication and no replica set.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.embedded.server import serving
from ops.processes.ports import LOOPBACK, accepts, free_port

DEFAULT_PORT = 27017
PID_FILE = "server.pid"
"""A killed server leaves it behind, and the next one refuses to start if another process has got the number since."""


def command(directory: Path, port: int) -> list[str]:
    """Returns the command of a server that keeps one SQLite file per database in the folder."""
    directory = directory.absolute()
    return [
        str(Path(sys.executable).with_name("nx-27017")),
        *("--data-dir", str(directory)),
        *("--host", LOOPBACK, "--port", str(port)),
        # It logs to standard error as well, which goes to a file of bounded size.
        *("--log-file", os.devnull),
        # The default is a fixed name in the temporary folder, which two servers would share.
        *("--pid-file", str(directory / PID_FILE)),
    ]


def url(port: int) -> str:
    """Returns the URL clients connect to."""
    return f"mongodb://{LOOPBACK}:{port}/"


@contextmanager
def mongo(directory: Path, *, port: int = 0) -> Iterator[str]:
    """Serves the MongoDB wire protocol from the folder and yields its URL; port 0 takes a free one.

    Raises:
        ops.errors.ServerStartError: the server did not start.
    """
    port = port or free_port()
    with serving(command(directory, port), name="mongo", directory=directory, is_healthy=lambda: accepts(port)):
        yield url(port)
