"""A stack for the length of a block, with a line that shows how far its start is."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.cli.progress import ProgressLine
from ops.stack.child import child_stack
from ops.stack.state import StackState

_NAMED = 3
"""Of the processes that are not ready, so many are named, so that the line fits a terminal."""


@contextmanager
def running_stack(var_dir: Path, env: Mapping[str, str], *, options: Sequence[str] = ()) -> Iterator[StackState]:
    """Starts a stack, shows which of its processes it waits for, and stops it at the end.

    Args:
        var_dir: the stack's `VAR_DIR`.
        env: added to this process's own environment.
        options: of `ops up`.

    Raises:
        ops.errors.OpsError: the stack did not start; the message is its last line.
    """
    progress = ProgressLine()
    with child_stack(
        var_dir,
        env=os.environ | dict(env),
        on_ready=lambda ready, awaited: progress.show(readiness(ready, awaited)),
        options=options,
    ) as stack:
        progress.finish()
        yield stack


def readiness(ready: Sequence[str], awaited: Sequence[str]) -> str:
    """Returns how many processes are ready, and which ones are not.

    >>> readiness(["redis"], ["mongo", "web-1"])
    '1 of 3 processes are ready, waiting for mongo, web-1'
    """
    text = f"{len(ready)} of {len(ready) + len(awaited)} processes are ready"
    more = ", …" if len(awaited) > _NAMED else ""
    return f"{text}, waiting for {', '.join(awaited[:_NAMED])}{more}" if awaited else text
