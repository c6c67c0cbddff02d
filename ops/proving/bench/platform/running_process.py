"""A process for the length of a block."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.processes.ports import wait_until
from ops.processes.spawn import spawn, stop

_START_SECONDS = 60.0


@contextmanager
def running_process(
    command: Sequence[str], env: Mapping[str, str], log: Path, is_healthy: Callable[[], bool]
) -> Iterator[int]:
    """Runs a process for the length of a block and yields its pid once it is healthy.

    Args:
        command: what to run.
        env: added to this process's own environment.
        log: where its output goes; named after it.
        is_healthy: whether it is ready to work.

    Raises:
        ServerStartError: it ended, or was not healthy in time.
    """
    with log.open("wb") as output:
        process = spawn(command, env=os.environ | dict(env), output=output)
    try:
        wait_until(is_healthy, process, name=log.stem, log=log, patience_seconds=_START_SECONDS)
        yield process.pid
    finally:
        stop(process)
