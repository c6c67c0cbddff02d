"""A stack for the length of a block, with a line that shows how far its start is."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.cli.progress import ProgressLine
from ops.stack.child import child_stack
from ops.stack.start import readiness
from ops.stack.state import StackState


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
