"""What is expensive to make and the same for every test process of a run: made by the first that asks for it."""

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


def once_per_run(factory: pytest.TempPathFactory, name: str, make: Callable[[], T]) -> T:
    """Returns what `make` makes, in this test process or in another one of the same run."""
    path = _folder_of_the_run(factory) / f"{name}.pickle"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.with_suffix(".part").write_bytes(pickle.dumps(make()))
            path.with_suffix(".part").rename(path)
        return pickle.loads(path.read_bytes())  # noqa: S301 - this run wrote it


def _folder_of_the_run(factory: pytest.TempPathFactory) -> Path:
    # pytest-xdist puts the folders of its workers into one of the run.
    return factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
