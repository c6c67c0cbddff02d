"""The data of a stack's embedded servers: `VAR_DIR/data`, and the mark that says that only a demo has worked there."""

import contextlib
import shutil
from pathlib import Path

_MARK = "left-by-demo"


def data_folder(var_dir: Path) -> Path:
    """Returns the folder in which each embedded server has one of its own."""
    return var_dir / "data"


def clear_data(var_dir: Path) -> None:
    """Deletes the data, and what the platform remembers of them elsewhere: it would take new data for a loss."""
    for folder in (data_folder(var_dir), var_dir / "remembered"):
        shutil.rmtree(folder, ignore_errors=True)


def is_left_by_demo(var_dir: Path) -> bool:
    """Whether a demo wrote the data, and no stack was started on them since."""
    return (data_folder(var_dir) / _MARK).exists()


def mark_left_by_demo(var_dir: Path) -> None:
    """Says that the data are a demo's, which the next one may replace."""
    with contextlib.suppress(OSError):  # without it the next demo works in a folder of its own
        (data_folder(var_dir) / _MARK).touch()


def take_over(var_dir: Path) -> None:
    """Says that the data are the user's own from now on."""
    (data_folder(var_dir) / _MARK).unlink(missing_ok=True)
