"""The SAFE MODE switch in Redis, shared by all processes.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:safe_mode` | hash | for ever | `enabled` (0 or 1), `reason`, `by`, `since` |
| `shrike:safe_mode:audit` | list | for ever, newest 1,000 | one JSON per event: `action`, `reason`, `by`, `at` |
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final

import orjson
import redis

from security.safe_mode import (
    AUDIT_LIMIT,
    SafeModeEvent,
    SafeModeState,
    SafeModeUnavailableError,
    clipped,
    timestamp,
)

STATE_KEY: Final = "shrike:safe_mode"
AUDIT_KEY: Final = "shrike:safe_mode:audit"

_FIELDS = ("enabled", "reason", "by", "since")


class RedisSafeMode:
    """The shared switch; a change is one Lua script, so state and audit never disagree.

    Args:
        client: a client that returns bytes.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._enable = client.register_script(_script("safe_mode_enable"))
        self._disable = client.register_script(_script("safe_mode_disable"))

    def read(self) -> SafeModeState:
        """See `SafeModeStore.read`."""
        with _failures_as_unavailable():
            return _parse(self._client.hmget(STATE_KEY, _FIELDS))

    def enable(self, reason: str, by: str) -> SafeModeState:
        """See `SafeModeStore.enable`."""
        args: list[str | int] = [clipped(reason), by, timestamp(), AUDIT_LIMIT]
        with _failures_as_unavailable():
            return _parse(self._enable(keys=[STATE_KEY, AUDIT_KEY], args=args))

    def disable(self, by: str) -> SafeModeState:
        """See `SafeModeStore.disable`."""
        with _failures_as_unavailable():
            return _parse(self._disable(keys=[STATE_KEY, AUDIT_KEY], args=[by, timestamp(), AUDIT_LIMIT]))

    def events(self, limit: int) -> list[SafeModeEvent]:
        """See `SafeModeStore.events`."""
        if limit < 1:
            return []
        with _failures_as_unavailable():
            entries = self._client.lrange(AUDIT_KEY, 0, limit - 1)
        return [SafeModeEvent(**orjson.loads(entry)) for entry in entries]


def _script(name: str) -> str:
    return resources.files("security").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")


def _parse(values: Sequence[bytes | None]) -> SafeModeState:
    enabled, reason, by, since = ((value or b"").decode() for value in values)
    return SafeModeState(enabled=enabled == "1", reason=reason, by=by, since=since)


@contextmanager
def _failures_as_unavailable() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise SafeModeUnavailableError("Redis does not answer for the SAFE MODE switch") from error
