"""What is remembered of a Redis outside of it: the name of its data, so that a start finds out whether it is the same.

A file in `VAR_DIR/remembered` serves the processes of one machine; MongoDB (`dataset_memory_mongo`) an installation
whose machines keep no files. Nothing depends on either being there: without a memory a process takes the data for what
it should be.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any, Protocol

_log = logging.getLogger(__name__)


class DatasetMemory(Protocol):
    """Remembers the name of one body of data; every method may raise StoreUnavailableError."""

    def recall(self) -> str | None:
        """Returns the name, None if none is known."""
        ...

    def remember(self, name: str) -> None:
        """Keeps a name in the place of the earlier one."""
        ...


def remembered_name(value: object, place: str) -> str | None:
    """Returns what a memory holds as the name of some data; what is no name is logged and counts as forgotten.

    Args:
        value: what stands there; several parts have names joined by commas.
        place: where it stands, for the log.
    """
    if isinstance(value, str) and all(value.split(",")):
        return value
    _log.error("%s holds something else than the name of data and counts as missing", place)
    return None


class StateFile:
    """A small JSON value in a file, written as a whole or not at all.

    A file that cannot be read counts as none, and one that cannot be written is logged once: a full disk must not stop
    scoring.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_failing = False

    def read(self) -> Any:
        """Returns the value, None if there is none."""
        try:
            return json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("%s is unreadable and counts as missing: %s", self.path, error)
            return None

    def write(self, value: Any) -> None:
        """Replaces the value."""
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(value))
            beside.replace(self.path)
        except OSError as error:
            if not self._is_failing:
                _log.warning("%s cannot be written: %s", self.path, error)
            self._is_failing = True
        else:
            self._is_failing = False


class FileDatasetMemory:
    """The memory of the processes on this machine."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    def recall(self) -> str | None:
        """See `DatasetMemory.recall`."""
        content = self._file.read()
        if content is None:
            return None
        return remembered_name(content.get("name") if isinstance(content, dict) else None, str(self._file.path))

    def remember(self, name: str) -> None:
        """See `DatasetMemory.remember`."""
        self._file.write({"name": name})
