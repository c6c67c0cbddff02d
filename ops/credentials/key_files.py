"""The key files that settings name, read for a folder in which all of them lie side by side."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ops.errors import OpsError
from security.artifacts.artifact_trust import public_key_names
from security.errors import KeyUnusableError

_TRUST = "ARTIFACT_TRUST_FILE"


def find_file(folder: Path, value: str) -> Path:
    """Returns the file that a setting names: as it is written, else beside the env file, which may have been moved."""
    named = Path(value)
    return named if named.is_file() else folder / named.name


def read_key_files(files: Mapping[str, Path], *, taken: Collection[str] = ()) -> dict[str, bytes]:
    """Returns the contents by the names that they have side by side, with the public keys that a trust list names.

    Args:
        files: by setting.
        taken: names that other files have there.

    Raises:
        OpsError: a file cannot be read, two different ones have the same name, or a public key is not beside its list.
    """
    contents: dict[str, bytes] = {}
    sources: dict[str, str] = {}
    for setting, path in [*files.items(), *_public_keys(files.get(_TRUST))]:
        content = _read(setting, path)
        if path.name in taken or contents.setdefault(path.name, content) != content:
            other = sources.get(path.name, "the folder's own file")
            raise OpsError(f"{setting} and {other} are different files named {path.name}; rename one of them.")
        sources.setdefault(path.name, setting)
    return contents


def _public_keys(trust_file: Path | None) -> Iterator[tuple[str, Path]]:
    """Yields the public keys of a trust list, which are looked for beside it wherever it is."""
    if trust_file is None:
        return
    try:
        names = public_key_names(trust_file)
    except KeyUnusableError as error:
        raise OpsError(f"{_TRUST}: {error}.") from error
    for name in names:
        if len(name.parts) != 1 or name.name in {"", ".."}:
            raise OpsError(f"{_TRUST} names {name}; put the key beside the list, and name it there without a folder.")
        yield f"A public key of {_TRUST}", trust_file.parent / name


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OpsError(f"{setting}: {path} cannot be read: {error.strerror}.") from error
