"""Revocations in memory, for tests and for tools that check tokens by themselves."""

import itertools

from security.revocations.revocation import Revocation, RevocationSnapshot, RevokedKind


class MemoryRevocations:
    """The list of one process."""

    def __init__(self) -> None:
        self._changes = itertools.count(1)
        self._version = ""
        self._entries: dict[tuple[RevokedKind, str], Revocation] = {}

    def version(self) -> str:
        """See `RevocationStore.version`."""
        return self._version

    def read(self) -> RevocationSnapshot:
        """See `RevocationStore.read`."""
        return RevocationSnapshot(self._version, list(self._entries.values()))

    def add(self, revocation: Revocation, *, now: int) -> None:
        """See `RevocationStore.add`."""
        self._entries = {key: entry for key, entry in self._entries.items() if entry.expires_at > now}
        self._entries[revocation.kind, revocation.name] = revocation
        self._version = str(next(self._changes))

    def lift(self, kind: RevokedKind, name: str) -> bool:
        """See `RevocationStore.lift`."""
        if self._entries.pop((kind, name), None) is None:
            return False
        self._version = str(next(self._changes))
        return True
