"""The folder of a stack of its own: one run at a time, because each begins by deleting what the last one left."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import StackError
from ops.stack import state


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keeps a folder for the length of a block; it may be emptied within. The lock stands beside it.

    Raises:
        ops.errors.StackError: another run has it, or a stack runs there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"Another run works in {folder}: wait for its end, or give this one a VAR_DIR of its own."
            ) from error
        if state.is_running(folder):
            raise StackError(f"A stack runs in {folder}: end it by `VAR_DIR={folder} python -m ops down` first.")
        yield
