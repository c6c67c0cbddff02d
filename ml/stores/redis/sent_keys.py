"""The keys in commands that were sent to Redis.

Redis says that a key holds a value of another type, and not which key. Somebody has to find and delete it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

_MOST = 8
_SCRIPTS: Final = {b"EVAL", b"EVALSHA", b"FCALL"}
_ALL_BUT_LAST: Final = {b"BRPOP", b"BLPOP"}
_ALL: Final = {b"MGET", b"DEL", b"EXISTS"}
_NONE: Final = {b"MULTI", b"EXEC", b"PING", b"TIME", b"PUBLISH", b"SCRIPT"}


def sent_keys(packed: Iterable[bytes | memoryview]) -> list[str]:
    """Returns the first few different keys that packed commands name, in their order; no other argument of them."""
    found: dict[str, None] = {}
    for command in _commands(b"".join(packed)):
        found.update(dict.fromkeys(key.decode(errors="backslashreplace") for key in _keys(command)))
    return list(found)[:_MOST]


def _commands(packed: bytes) -> Iterable[list[bytes]]:
    at = 0
    while packed[at : at + 1] == b"*":
        count, at = _number(packed, at)
        command = []
        for _ in range(count):
            length, at = _number(packed, at)
            command.append(packed[at : at + length])
            at += length + 2
        yield command


def _number(packed: bytes, at: int) -> tuple[int, int]:
    """Returns the number in the line that begins there, behind its first character, and where the next line begins."""
    end = packed.index(b"\r\n", at)
    return int(packed[at + 1 : end]), end + 2


def _keys(command: Sequence[bytes]) -> Sequence[bytes]:
    name, arguments = command[0].upper(), command[1:]
    if name in _SCRIPTS:
        return arguments[2 : 2 + int(arguments[1])]
    if name in _ALL_BUT_LAST:
        return arguments[:-1]
    if name in _ALL:
        return arguments
    return () if name in _NONE else arguments[:1]
