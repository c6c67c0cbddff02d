"""Lua scripts, loaded from their files."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Self


@dataclass(frozen=True, slots=True)
class LuaScript:
    """A script and the name that EVALSHA calls it by: the SHA-1 of its text."""

    source: str
    sha: str

    @classmethod
    def from_source(cls, source: str) -> Self:
        """Returns the script with this text."""
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@cache
def script_source(name: str) -> str:
    """Returns the text of `ml/stores/lua/<name>.lua`.

    Raises:
        FileNotFoundError: there is no such script.
    """
    return resources.files("ml.stores").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


@cache
def lua_script(name: str) -> LuaScript:
    """Returns the script in `ml/stores/lua/<name>.lua`; raises like `script_source`."""
    return LuaScript.from_source(script_source(name))
