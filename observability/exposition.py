"""The Prometheus exposition of one process, or of a group of processes that share a folder."""

import fcntl
import json
import logging
import os
import re
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from observability.shared_files import ReservedDict

log = logging.getLogger(__name__)

_FILE_OF_PROCESS = re.compile(r"_(\d+)\.db")
_SUMMED = ("counter", "histogram")
_OF_THE_DEAD = 0
"""Stands for a process id in the file that holds the sums of all ended processes."""


def render(multiproc_dir: Path | None = None) -> tuple[bytes, str]:
    """Returns the exposition and its content type.

    Args:
        multiproc_dir: the folder in `PROMETHEUS_MULTIPROC_DIR`: all its processes are added up, and gauges of
            dead ones dropped. None renders this process's own registry.
    """
    if multiproc_dir is None:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    with _all_processes(multiproc_dir) as registry:
        return generate_latest(registry), CONTENT_TYPE_LATEST


def samples(names: Collection[str], multiproc_dir: Path | None = None) -> list[Sample]:
    """Returns the samples of some metrics, named as they are declared, of the same processes as `render`."""
    wanted = {name.removesuffix("_total") for name in names}
    if multiproc_dir is None:
        return [sample for family in REGISTRY.collect() if family.name in wanted for sample in family.samples]
    with _all_processes(multiproc_dir) as registry:
        return [sample for family in registry.collect() if family.name in wanted for sample in family.samples]


@contextmanager
def _all_processes(multiproc_dir: Path) -> Iterator[CollectorRegistry]:
    """Yields a registry that adds up all processes of a folder, whose files nobody moves meanwhile."""
    forget_dead_processes(multiproc_dir)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(multiproc_dir))  # type: ignore[no-untyped-call] # published without types
    with _locked(multiproc_dir, fcntl.LOCK_SH):
        yield registry


def prepare(multiproc_dir: Path) -> None:
    """Makes the folder and takes away what an earlier run left; called before the first process of the group starts.

    While a process of another group lives there, as where two instances share a port, its files stay and so do the
    sums of the dead: only those of ended processes are added up.
    """
    multiproc_dir.mkdir(parents=True, exist_ok=True)
    if any(process_id != _OF_THE_DEAD and _is_alive(process_id) for _, process_id in _files(multiproc_dir)):
        forget_dead_processes(multiproc_dir)
        return
    for file in multiproc_dir.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_dead_processes(multiproc_dir: Path) -> None:
    """Drops the gauges of processes that ended and adds their counters up in one file, for a counter must not fall.

    However many processes come and go, the folder holds the files of the live ones and one set more.
    """
    if not any(_is_dead(process_id) for _, process_id in _files(multiproc_dir)):
        return
    with _locked(multiproc_dir, fcntl.LOCK_EX):
        for file, process_id in _files(multiproc_dir):
            if _is_dead(process_id):
                kept = file.with_name(file.name.replace(f"_{process_id}.", f"_{_OF_THE_DEAD}."))
                if file.name.startswith(_SUMMED):
                    _add_up(file, kept)
                elif "mostrecent" in file.name:
                    _keep_newest(file, kept)
                file.unlink(missing_ok=True)


def _add_up(file: Path, total: Path) -> None:
    entries = _entries(file)
    sums = ReservedDict(str(total))
    for key, value, _ in entries:
        known, _ = sums.read_value(key)  # type: ignore[no-untyped-call]
        sums.write_value(key, known + value, 0.0)  # type: ignore[no-untyped-call]
    sums.close()  # type: ignore[no-untyped-call]


def _keep_newest(file: Path, newest: Path) -> None:
    entries = _entries(file)
    values = ReservedDict(str(newest))
    for key, value, at in entries:
        _, known_at = values.read_value(key)  # type: ignore[no-untyped-call]
        if at >= known_at:
            values.write_value(key, value, at)  # type: ignore[no-untyped-call]
    values.close()  # type: ignore[no-untyped-call]


def _entries(file: Path) -> list[tuple[str, float, float]]:
    """Returns keys, values and times of a file; none of one that its process left unreadable."""
    try:
        found = ReservedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call] # without types
        return [(key, value, at) for key, value, at, _ in found if json.loads(key)]
    except (RuntimeError, ValueError, struct.error) as error:
        log.warning("the metrics of an ended process cannot be read: %s", error)
        return []


def _files(multiproc_dir: Path) -> list[tuple[Path, int]]:
    """Returns the files of processes, with the process of each."""
    found = ((file, _FILE_OF_PROCESS.search(file.name)) for file in multiproc_dir.glob("*.db"))
    return [(file, int(match[1])) for file, match in found if match is not None]


def _is_dead(process_id: int) -> bool:
    return process_id != _OF_THE_DEAD and not _is_alive(process_id)


@contextmanager
def _locked(multiproc_dir: Path, kind: int) -> Iterator[None]:
    """Keeps a reader from counting twice what another process is just adding up."""
    with (multiproc_dir / "lock").open("w") as lock:
        fcntl.flock(lock, kind)
        yield


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, under another user
        return True
    return True
