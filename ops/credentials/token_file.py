"""A token in a file of its own: readable by this user alone, and replaced in one step.

A scraper reads its file anew for each scrape, so it must find the old token or the new one, never half of one.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import OpsError


@contextmanager
def new_token_file(path: Path, token: str) -> Iterator[None]:
    """Writes a token beside its place, and puts it there once the block has succeeded; else nothing has changed.

    Raises:
        OpsError: the file cannot be written.
    """
    draft = _draft(path, token)
    try:
        yield
        draft.replace(path)
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


def _draft(path: Path, token: str) -> Path:
    """Returns a new file with the token; mkstemp makes it for this user alone."""
    if path.is_dir():
        raise OpsError(f"{path} is a folder; --out names the file that the token goes into.")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}; name another by --out.") from error
    return Path(name)
