"""Prints the UV_TORCH_BACKEND with which `make install` installs PyTorch; an empty line leaves the choice to uv.

On Linux the package index has PyTorch with the libraries of graphics cards, which nothing here uses: more than 1 GB.
PyTorch's own index has it for CPUs alone. Run as a file: `python ops/installation/torch_source.py`.
"""

import http.client
import os
import platform
import re
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

_REQUIREMENTS = Path("requirements.txt")
_INDEX = "https://download.pytorch.org/whl/cpu/torch/"
_TIMEOUT_SECONDS = 10.0
_UNREACHABLE = (
    f"{_INDEX} cannot be reached, so PyTorch comes from the package index with the libraries of graphics cards, "
    "a download of more than 1 GB; UV_FIND_LINKS=FOLDER names a folder with its wheel for CPUs."
)


def choose(environment: Mapping[str, str], *, version: str, is_reachable: Callable[[], bool]) -> tuple[str, str | None]:
    """Returns the backend, empty where uv needs none, and a sentence for the user if there is something to say.

    Args:
        environment: UV_TORCH_BACKEND is the user's own choice, UV_FIND_LINKS the folders of wheels.
        version: the pinned version of torch.
        is_reachable: whether PyTorch's index answers; asked only if that matters.
    """
    if chosen := environment.get("UV_TORCH_BACKEND"):
        return chosen, None
    if has_wheel(environment.get("UV_FIND_LINKS", ""), version):
        return "", None
    if is_reachable():
        return "cpu", None
    return "", _UNREACHABLE if _is_large_by_default() else None


def has_wheel(find_links: str, version: str) -> bool:
    """Whether one of the folders holds a wheel of the version for this interpreter."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    fits = re.compile(rf"torch-{re.escape(version)}(\+\w+)?-{tag}-.*\.whl")
    folders = [Path(entry.removeprefix("file://")) for entry in re.split(r"[\s,]+", find_links) if entry]
    return any(fits.fullmatch(name) for folder in folders for name in _names(folder))


def _names(folder: Path) -> list[str]:
    """Returns the names in a folder; none if it cannot be read."""
    try:
        return [file.name for file in folder.iterdir()]
    except OSError:
        return []


def pinned_version(requirements: str) -> str:
    """Returns the version of torch in pinned requirements.

    >>> pinned_version("torch==2.13.0")
    '2.13.0'
    """
    found = re.search(r"^torch==([\w.]+)", requirements, re.MULTILINE)
    return found[1] if found else ""


def _is_large_by_default() -> bool:
    """Whether the package index's wheel for this machine carries the libraries of graphics cards."""
    return sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}


def _index_answers() -> bool:
    request = urllib.request.Request(_INDEX, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310  # nosec B310 - a constant address
            return True
    except (OSError, http.client.HTTPException, ValueError):  # no answer, no HTTP, or a proxy that is no address
        return False


def main() -> None:
    """Prints the backend on standard output and the sentence, if there is one, on standard error."""
    version = pinned_version(_REQUIREMENTS.read_text(encoding="utf-8"))
    backend, sentence = choose(os.environ, version=version, is_reachable=_index_answers)
    if sentence is not None:
        print(sentence, file=sys.stderr)
    print(backend)


if __name__ == "__main__":
    main()
