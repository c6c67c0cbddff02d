"""Log files that never stop whoever writes them, and never grow without bound.

A process's file is `VAR_DIR/log/NAME.log`; when it is full it becomes `NAME.log.1`, and what that was becomes
`NAME.log.2`, up to the number that is kept.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from settings import Settings

_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How large one file may become, and how many older ones are kept beside it."""

    file_bytes: int
    older_files: int

    @classmethod
    def of(cls, settings: Settings) -> "LogLimits":
        """Returns the limits that the settings ask for."""
        return cls(settings.log_file_megabytes * _MEGABYTE, settings.log_older_files)


class LogFile:
    """Appends whole lines to a file for one writer.

    Best effort, line by line: a line that cannot be written (a full disk) is lost and counted, and the first one that
    can be written again is preceded by the count. A file that somebody deleted or emptied to make room begins anew.
    """

    def __init__(self, path: Path, limits: LogLimits) -> None:
        self.path = path
        self._limits = limits
        self._file: IO[bytes] | None = None
        self._lost = 0

    def write(self, line: bytes) -> None:
        """Appends a line that ends with a newline; raises nothing."""
        try:
            self._append(_loss(self._lost) + line if self._lost else line)
            self._lost = 0
        except OSError:
            self._lost += 1
            self.close()

    def close(self) -> None:
        """Closes the file; the next line opens it again."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _append(self, line: bytes) -> None:
        file = self._opened()
        size = os.fstat(file.fileno()).st_size
        if size and size + len(line) > self._limits.file_bytes:
            self.close()
            rotate(self.path, self._limits.older_files)
            file, size = self._opened(), 0
        # Unbuffered: a disk with room for half a line takes half a line, which no reader could use.
        if file.write(line) != len(line):
            os.ftruncate(file.fileno(), size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _opened(self) -> IO[bytes]:
        if self._file is not None and not _is_at(self._file, self.path):
            self.close()
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        return self._file


def rotate(path: Path, older_files: int) -> None:
    """Renames a log file and the older ones beside it, and deletes those that are too many.

    Raises:
        OSError: the folder refuses it.
    """
    _make_room(path, older_files)
    with contextlib.suppress(FileNotFoundError):
        path.replace(_numbered(path, 1)) if older_files else path.unlink()


def empty_when_full(path: Path, limits: LogLimits) -> None:
    """Rotates a file that a process's standard output goes to; its descriptor stays, so it is copied and emptied.

    What is written meanwhile must be appended (`O_APPEND`). Best effort: without room for the copy its lines are lost.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size <= limits.file_bytes:
            return
        with contextlib.suppress(OSError):
            _make_room(path, limits.older_files)
            if limits.older_files:
                shutil.copyfile(path, _numbered(path, 1))
        os.truncate(path, 0)


def _make_room(path: Path, older_files: int) -> None:
    """Renames the older files so that number 1 is free, and deletes those that are too many."""
    for number, older in sorted(_older(path), reverse=True):
        if number >= older_files:
            older.unlink(missing_ok=True)
        else:
            older.replace(_numbered(path, number + 1))


def _older(path: Path) -> Iterator[tuple[int, Path]]:
    for older in path.parent.glob(f"{path.name}.*"):
        if (number := older.name.removeprefix(f"{path.name}.")).isdecimal():
            yield int(number), older


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _loss(lines: int) -> bytes:
    record = {
        "ts": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "WARNING",
        "message": "log lines were lost: the file could not be written",
        "lines": lines,
    }
    return json.dumps(record).encode() + b"\n"
