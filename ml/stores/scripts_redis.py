"""Lua scripts, loaded from their files."""

from functools import cache
from importlib import resources


@cache
def script_source(name: str) -> str:
    """Returns the text of `ml/stores/lua/<name>.lua`.

    Raises:
        FileNotFoundError: there is no such script.
    """
    return resources.files("ml.stores").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
