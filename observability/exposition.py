"""The Prometheus exposition of one process, or of a group of processes that share a folder."""

import os
import re
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_FILE_OF_PROCESS = re.compile(r"_(\d+)\.db")


def render(multiproc_dir: Path | None = None) -> tuple[bytes, str]:
    """Returns the exposition and its content type.

    Args:
        multiproc_dir: the folder in `PROMETHEUS_MULTIPROC_DIR`: all its processes are added up, and gauges of
            dead ones dropped. None renders this process's own registry.
    """
    if multiproc_dir is None:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    forget_dead_processes(multiproc_dir)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(multiproc_dir))  # type: ignore[no-untyped-call] # published without types
    return generate_latest(registry), CONTENT_TYPE_LATEST


def prepare(multiproc_dir: Path) -> None:
    """Makes the folder and empties it; called by the launcher before the first process of the group starts."""
    multiproc_dir.mkdir(parents=True, exist_ok=True)
    for file in multiproc_dir.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_dead_processes(multiproc_dir: Path) -> None:
    """Drops the live gauges of processes that ended; their counters stay, for a counter must not fall."""
    for file in multiproc_dir.glob("gauge_live*.db"):
        match = _FILE_OF_PROCESS.search(file.name)
        if match and not _is_alive(int(match[1])):
            file.unlink(missing_ok=True)  # another process may remove it at the same time


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, under another user
        return True
    return True
