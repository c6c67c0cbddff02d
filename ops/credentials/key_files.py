"""The key files that settings name, read for a folder in which all of them lie side by side."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ops.errors import OpsError


def find_file(folder: Path, value: str) -> Path:
    """Returns the file that a setting names: as it is written, else beside the env file, which may have been moved."""
    named = Path(value)
    return named if named.is_file() else folder / named.name


def read_key_files(files: Mapping[str, Path], *, taken: Collection[str] = ()) -> dict[str, bytes]:
    """Returns the contents by the names that they have side by side.

    Args:
        files: by setting.
        taken: names that other files have there.

    Raises:
        OpsError: a file cannot be read, or two different ones have the same name.
    """
    contents: dict[str, bytes] = {}
    sources: dict[str, str] = {}
    for setting, path in files.items():
        content = _read(setting, path)
        if path.name in taken or contents.setdefault(path.name, content) != content:
            other = sources.get(path.name, "the folder's own file")
            raise OpsError(f"{setting} and {other} are different files named {path.name}; rename one of them.")
        sources.setdefault(path.name, setting)
    return contents


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OpsError(f"{setting}: {path} cannot be read: {error.strerror}.") from error
