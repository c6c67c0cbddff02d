"""Memory of verified tokens: a client sends the same token with every request, and verifying it again changes nothing.

Unless a key or a revocation changed meanwhile: both are counted in a generation, and what was verified under another
generation is forgotten.
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
    """Returns what a token is remembered by: SHA-256 of all of it, so that no token lies in memory."""
    return sha256(token.encode()).digest()


class VerifiedTokens(Generic[Verified]):
    """What tokens were found to say, for at most 30 seconds, never beyond their `exp` and only in one generation."""

    def __init__(self) -> None:
        self._generation: Generation = (0, 0)
        self._entries: dict[bytes, tuple[float, Generation, Verified]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: bytes, generation: Generation, now: float) -> Verified | None:
        """Returns what the token said, if it was verified in this very generation and not too long ago."""
        if generation != self._generation:
            self._entries.clear()
            self._generation = generation
        entry = self._entries.get(digest)
        # Each entry names its generation: a thread may have begun to verify before the change and put after it.
        if entry is None or now >= entry[0] or entry[1] != generation:
            return None
        return entry[2]

    def put(self, digest: bytes, verified: Verified, *, generation: Generation, now: float, expires_at: float) -> None:
        """Remembers what a token says.

        Args:
            digest: see `digest_of`.
            verified: what it says.
            generation: as it was before the token was verified.
            now: epoch seconds.
            expires_at: `exp`, epoch seconds.
        """
        # Emptying a full cache is cheaper than ordering it, and only holders of valid tokens can fill it.
        if len(self._entries) >= CACHE_TOKENS:
            self._entries.clear()
        self._entries[digest] = (min(now + CACHE_SECONDS, expires_at), generation, verified)
