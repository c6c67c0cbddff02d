"""Memory of verified tokens: a client sends the same token with every request, and needs it verified once.

A change of the keys or revocations starts a new generation, which forgets all tokens of the one before.
"""

from hashlib import sha256
from typing import Generic, TypeVar

CACHE_SECONDS = 30.0
"""Longest time a token is remembered."""

CACHE_TOKENS = 1024
"""Most tokens remembered: about 0.5 MB."""

Generation = tuple[int, int]
"""Changes of keys, changes of revocations."""

Verified = TypeVar("Verified")


def digest_of(token: str) -> bytes:
    """Returns the cache's key for a token: its SHA-256, so that no token is kept in memory."""
    return sha256(token.encode()).digest()


class VerifiedTokens(Generic[Verified]):
    """The identities of verified tokens, for at most 30 seconds, never beyond `exp`, and for one generation only."""

    def __init__(self) -> None:
        self._generation: Generation = (0, 0)
        self._entries: dict[bytes, tuple[float, Generation, Verified]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: bytes, generation: Generation, now: float) -> Verified | None:
        """Returns the token's identity if the token was verified in this very generation and not too long ago."""
        if generation != self._generation:
            self._entries.clear()
            self._generation = generation
        entry = self._entries.get(digest)
        # Each entry holds its generation: a thread may have verified before the change and put after it.
        if entry is None or now >= entry[0] or entry[1] != generation:
            return None
        return entry[2]

    def put(self, digest: bytes, verified: Verified, *, generation: Generation, now: float, expires_at: float) -> None:
        """Remembers the identity of a verified token.

        Args:
            digest: see `digest_of`.
            verified: its identity.
            generation: as it was before the token was verified.
            now: epoch seconds.
            expires_at: `exp`, epoch seconds.
        """
        # Emptying a full cache is cheaper than ordering it, and only holders of valid tokens can fill it.
        if len(self._entries) >= CACHE_TOKENS:
            self._entries.clear()
        self._entries[digest] = (min(now + CACHE_SECONDS, expires_at), generation, verified)
