"""The name of a body of data in its two copies, a plain and a sealed one, and what follows from what they hold.

Whoever can write to Redis can change or delete a copy. The name counts as there while one copy holds what the process
knows from outside of Redis; the other one is then written again. So a write to one copy stops nobody, and a name that
somebody made up is never taken for the known one: a loss stays a loss.
"""

import re
from dataclasses import dataclass
from typing import Final

import orjson

from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal
from security.messages.stored_seal import close, split

_NAME: Final = re.compile(r"[0-9a-f]{16,32}")


@dataclass(frozen=True, slots=True)
class FoundName:
    """The name that some data carries.

    Attributes:
        name: the known one, if the data still carries it.
        is_altered: whether it is another one because somebody wrote over both copies, so that nobody can tell whether
            the data is the same.
    """

    name: str
    is_altered: bool = False


@dataclass(frozen=True, slots=True)
class Copies:
    """What stands in the places of both copies; None for what is absent, or no text at all.

    Attributes:
        plain: the bare name; an earlier version has no other copy.
        sealed: the name with its seal.
        opened: the name in the sealed copy; None if the seal does not hold.
    """

    plain: bytes | None
    sealed: bytes | None
    opened: str | None

    @property
    def are_absent(self) -> bool:
        """Whether there is no copy."""
        return self.plain is None and self.sealed is None

    def are_of(self, name: str) -> bool:
        """Returns whether both copies hold a name."""
        return self.plain == name.encode() and self.opened == name

    def are_foreign_beside(self, name: str) -> bool:
        """Returns whether somebody else changed a copy of a name; an earlier version wrote no sealed one."""
        return self.plain != name.encode() or (self.sealed is not None and self.opened != name)


class NameSeal:
    """Seals names; a copy with a seal is a JSON object.

    Args:
        signer: holds the message key.
        purpose: keeps a name of one kind from passing for another kind's.
    """

    def __init__(self, signer: MessageSigner, purpose: str) -> None:
        self._seal = Seal(signer, purpose)

    def close(self, key: str, name: str) -> bytes:
        """Returns what is stored under a key for a name."""
        json = orjson.dumps({"name": name})
        return close(json, self._seal.sign(key, json))

    def open(self, key: str, stored: bytes | None) -> str | None:
        """Returns the name that is stored under a key; None if there is none, or one that is not ours."""
        json, seal = split(stored or b"")
        try:
            self._seal.verify(key, json, seal=seal)
            return str(orjson.loads(json)["name"])
        except (MessageRejectedError, ValueError, KeyError, TypeError):
            return None


def judge(copies: Copies, known: str | None) -> FoundName | None:
    """Returns the name that the copies stand for; None if they hold none.

    Args:
        copies: as Redis holds them.
        known: the name that is remembered outside of Redis; None if none is.
    """
    plain = None if copies.plain is None else copies.plain.decode(errors="replace")
    if known is not None and known in {plain, copies.opened}:
        return FoundName(known)
    if copies.opened is not None:
        return FoundName(copies.opened)
    if plain is not None and _NAME.fullmatch(plain):
        # An earlier version wrote it, or a stranger: without a known name there is nothing that it could hide.
        return FoundName(plain, is_altered=known is not None)
    return None
