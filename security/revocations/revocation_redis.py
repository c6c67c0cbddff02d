"""The revocations in Redis, shared by all web processes.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:revocations` | hash | until its last entry expires | `token:<jti>` or `subject:<sub>` to a JSON entry |
| `shrike:revocations:expiry` | sorted set | the same | the same names, by the epoch seconds at which each expires |
| `shrike:revocations:version` | string | the same | a random word, another after every change |

One GET of the version shows whether the list has to be read again. The version expires with the list, so an emptied
list counts as a change. A version of another type says nothing: the list is read at each look, until a change or an
operator (`DEL shrike:revocations:version`) mends it. A list of another type is unavailable until it is deleted.
"""

import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final

import orjson
import redis

from security.revocations.revocation import (
    LAST_SECOND,
    Revocation,
    RevocationSnapshot,
    RevocationsUnavailableError,
    RevokedKind,
)

ENTRIES_KEY: Final = "shrike:revocations"
EXPIRY_KEY: Final = "shrike:revocations:expiry"
VERSION_KEY: Final = "shrike:revocations:version"

_log = logging.getLogger(__name__)

_MOST_SHOWN: Final = 140
"""Bytes of a foreign entry's name that a log line shows."""

_KEYS: Final = (ENTRIES_KEY, EXPIRY_KEY, VERSION_KEY)


class RedisRevocations:
    """The shared list; a change is one Lua script, so list and version never disagree.

    Args:
        client: a client that returns bytes.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._add = client.register_script(_script("revocation_add"))
        self._lift = client.register_script(_script("revocation_lift"))

    def version(self) -> str:
        """See `RevocationStore.version`."""
        with _failures_as_unavailable():
            try:
                return _word(self._client.get(VERSION_KEY))
            except redis.ResponseError as error:
                return _word(error)

    def read(self) -> RevocationSnapshot:
        """See `RevocationStore.read`."""
        with _failures_as_unavailable():
            both = self._client.pipeline(transaction=True).get(VERSION_KEY).hgetall(ENTRIES_KEY)
            version, entries = both.execute(raise_on_error=False)
            if isinstance(entries, Exception):
                raise entries
            return RevocationSnapshot(_word(version), readable_entries(entries))

    def add(self, revocation: Revocation, *, now: int) -> None:
        """See `RevocationStore.add`."""
        entry = {
            "revoked_at": revocation.revoked_at,
            "expires_at": revocation.expires_at,
            "reason": revocation.reason,
            "by": revocation.by,
        }
        name = f"{revocation.kind}:{revocation.name}"
        arguments: list[str | bytes | int] = [
            name,
            orjson.dumps(entry),
            revocation.expires_at,
            now,
            secrets.token_hex(8),
        ]
        with _failures_as_unavailable():
            self._add(keys=_KEYS, args=arguments)

    def lift(self, kind: RevokedKind, name: str) -> bool:
        """See `RevocationStore.lift`."""
        with _failures_as_unavailable():
            return bool(self._lift(keys=_KEYS, args=[f"{kind}:{name}", secrets.token_hex(8)]))


def _script(name: str) -> str:
    return resources.files("security.revocations").joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _word(version: bytes | Exception | None) -> str:
    """Returns the version as text; a foreign one too, because any other text only means that the list is read again.

    A version of another type is another word each time, so that no change goes unseen.
    """
    if isinstance(version, Exception):
        if "WRONGTYPE" not in str(version):
            raise version
        _log.error("%s holds a value of another type; delete it", VERSION_KEY)
        return secrets.token_hex(8)
    return (version or b"").decode(errors="backslashreplace")


def readable_entries(entries: Mapping[bytes, bytes]) -> list[Revocation]:
    """Returns the entries of the stored list; one of another form is logged and left out."""
    parsed = []
    for field, value in entries.items():
        try:
            parsed.append(_entry(field.decode(), orjson.loads(value)))
        except (ValueError, TypeError, KeyError, OverflowError):
            # A foreign entry must not hide the other ones.
            _log.error("%s holds an entry of another form: %r", ENTRIES_KEY, field[:_MOST_SHOWN])
    return parsed


def _entry(field: str, members: Mapping[str, Any]) -> Revocation:
    kind, _, name = field.partition(":")
    revoked_at, expires_at = int(members["revoked_at"]), int(members["expires_at"])
    if not (0 <= revoked_at <= LAST_SECOND and 0 <= expires_at <= LAST_SECOND):
        raise ValueError("a time that no revocation has")
    return Revocation(RevokedKind(kind), name, revoked_at, expires_at, str(members["reason"]), str(members["by"]))


@contextmanager
def _failures_as_unavailable() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        if "WRONGTYPE" in str(error):
            message = f"{ENTRIES_KEY}, or a key beside it, holds a value of another type; delete that key: {error}"
            raise RevocationsUnavailableError(message) from error
        raise RevocationsUnavailableError("Redis does not answer for the revocations") from error
