"""Runs one embedded server for the length of a `with` block."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.processes.ports import wait_until
from ops.processes.spawn import spawn, stop


@contextmanager
def serving(argv: Sequence[str], *, name: str, directory: Path, is_healthy: Callable[[], bool]) -> Iterator[None]:
    """Starts the command, waits until it is healthy, and stops it at the end; its log goes to `directory`.

    Raises:
        ops.errors.ServerStartError: the server did not become healthy.
    """
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = spawn(argv, output=output)
        try:
            wait_until(is_healthy, process, name=name, log=log)
            yield
        finally:
            stop(process)
