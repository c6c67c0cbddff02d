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
def script_source(store: str, name: str) -> str:
    """Returns the text of `ml/stores/<store>/<name>.lua`.

    Raises:
        FileNotFoundError: there is no such script.
    """
    return resources.files("ml.stores").joinpath(store, f"{name}.lua").read_text(encoding="utf-8")


@cache
def lua_script(store: str, name: str) -> LuaScript:
    """Returns the script in `ml/stores/<store>/<name>.lua`; raises like `script_source`."""
    return LuaScript.from_source(script_source(store, name))
