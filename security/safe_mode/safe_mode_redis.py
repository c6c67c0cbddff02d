"""The SAFE MODE switch in Redis, shared by all processes.

| key | type | life | holds |
| --- | --- | --- | --- |
| `shrike:safe_mode` | hash | for ever | `enabled` (0 or 1), `reason`, `by`, `since`, and the `seal` of these |
| `shrike:safe_mode:audit` | list | for ever, newest 1,000 | JSON with `action`, `reason`, `by`, `at`, `seal` |

State and events are sealed: an intruder with write access to Redis alone can neither switch SAFE MODE nor put words
into the audit. `read` returns `ALTERED` for a state that is not sealed by us, and `NEVER_SET` for none: what follows
from that is decided by `CachedSafeMode`, which knows what was read before. A state sealed with the previous key is
sealed anew when it is read through `renew`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import resources
from typing import Any, Final

import orjson
import redis

from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal
from security.safe_mode.safe_mode import (
    ALTERED,
    AUDIT_LIMIT,
    NEVER_SET,
    SafeModeEvent,
    SafeModeState,
    SafeModeUnavailableError,
    clipped,
    later_timestamp,
)

STATE_KEY: Final = "shrike:safe_mode"
AUDIT_KEY: Final = "shrike:safe_mode:audit"

_FIELDS = ("enabled", "reason", "by", "since", "seal")
_TRIES = 20
"""A try fails only when another process changed the state meanwhile, and no process does so in a loop."""

_log = logging.getLogger(__name__)


class RedisSafeMode:
    """The shared switch; one Lua script changes state and audit together.

    Args:
        client: a client that returns bytes.
        signer: holds the message key.
    """

    def __init__(self, client: "redis.Redis", signer: MessageSigner) -> None:
        self._client: Any = client  # redis-py types each reply as a union over decoding modes
        self._states = Seal(signer, "safe_mode.state")
        self._events = Seal(signer, "safe_mode.event")
        source = resources.files("security.safe_mode").joinpath("safe_mode_change.lua").read_text(encoding="utf-8")
        self._change = client.register_script(source)

    def read(self) -> SafeModeState:
        """See `SafeModeStore.read`."""
        return self._read()[0]

    def enable(self, reason: str, by: str) -> SafeModeState:
        """See `SafeModeStore.enable`."""

        def change(known: SafeModeState, at: str) -> SafeModeState:
            if known.enabled and known is not ALTERED:
                return known
            return SafeModeState(enabled=True, reason=clipped(reason), by=by, since=at)

        return self._apply(change, "enabled", clipped(reason), by)

    def disable(self, by: str, *, after: str = "") -> SafeModeState:
        """See `SafeModeStore.disable`."""

        def change(_: SafeModeState, at: str) -> SafeModeState:
            return SafeModeState(enabled=False, by=by, since=at)

        return self._apply(change, "disabled", "", by, after=after)

    def restore(self, state: SafeModeState, reason: str, by: str) -> None:
        """See `SafeModeStore.restore`."""

        def change(known: SafeModeState, at: str) -> SafeModeState | None:
            if known is not ALTERED and known is not NEVER_SET and known.since >= state.since:
                return None  # somebody else was faster
            return state if state.since else SafeModeState(enabled=False, by=by, since=at)

        self._apply(change, "restored", clipped(reason), by, after=state.since)

    def renew(self) -> bool:
        """Seals the state anew if the previous key sealed it; returns whether it did.

        Raises:
            SafeModeUnavailableError: the switch can neither be read nor set now.
        """
        known, seal = self._read()
        if known in {ALTERED, NEVER_SET} or self._states.is_current(known.since, _wire(known), seal=seal.decode()):
            return False
        self._apply(lambda _, __: replace(known), "restored", "sealed with the present MESSAGE_KEY", "key rotation")
        return True

    def note_refusal(self, reason: str, by: str) -> None:
        """See `SafeModeStore.note_refusal`."""
        self._apply(lambda known, _: known, "kept", clipped(reason), by)

    def events(self, limit: int) -> list[SafeModeEvent]:
        """See `SafeModeStore.events`."""
        if limit < 1:
            return []
        try:
            with _failures_as_unavailable():
                entries = self._client.lrange(AUDIT_KEY, 0, limit - 1)
        except _AnotherTypeError:
            return []
        return [event for entry in entries if (event := self._opened_event(entry)) is not None]

    def _apply(
        self,
        change: Callable[[SafeModeState, str], SafeModeState | None],
        action: str,
        reason: str,
        by: str,
        *,
        after: str = "",
    ) -> SafeModeState:
        """Writes what `change` makes of the known state and the time, with an event; neither if it makes nothing."""
        for _ in range(_TRIES):
            known, seal = self._read()
            at = later_timestamp(max(known.since, after))
            state = change(known, at)
            if state is None:
                return known
            event = asdict(SafeModeEvent(action, reason, by, at))  # type: ignore[arg-type]
            event["seal"] = self._events.sign(at, event)
            args: list[str | bytes | int] = [seal, orjson.dumps(event), AUDIT_LIMIT]
            if state is not known:
                args += [*_wire(state), self._states.sign(state.since, _wire(state))]
            with _failures_as_unavailable():
                if self._change(keys=[STATE_KEY, AUDIT_KEY], args=args):
                    return state
        raise SafeModeUnavailableError("the SAFE MODE switch changes too often to be set")

    def _read(self) -> tuple[SafeModeState, bytes]:
        """Returns the state and the stored seal, valid or not: its bytes, since the script compares them."""
        values: Sequence[bytes | None]
        try:
            with _failures_as_unavailable():
                values = self._client.hmget(STATE_KEY, _FIELDS)
        except _AnotherTypeError:
            return ALTERED, b""
        if not any(value is not None for value in values):
            return NEVER_SET, b""
        stored = values[-1] or b""
        enabled, reason, by, since, seal = ((value or b"").decode(errors="replace") for value in values)
        state = SafeModeState(enabled=enabled == "1", reason=reason, by=by, since=since)
        try:
            self._states.verify(since, _wire(state), seal=seal)
        except MessageRejectedError:
            return ALTERED, stored
        return state, stored

    def _opened_event(self, entry: bytes) -> SafeModeEvent | None:
        """Returns an event with a valid seal, None for anything else."""
        try:
            event = orjson.loads(entry)
            seal = event.pop("seal")
            self._events.verify(event["at"], event, seal=seal)
            return SafeModeEvent(**event)
        except (ValueError, KeyError, TypeError, AttributeError, MessageRejectedError):
            _log.warning("an entry of the SAFE MODE audit in Redis is not ours")
            return None


class _AnotherTypeError(SafeModeUnavailableError):
    """A key is no hash or no list: somebody wrote something else there; the next change replaces it."""


def _wire(state: SafeModeState) -> list[str]:
    return ["1" if state.enabled else "0", state.reason, state.by, state.since]


@contextmanager
def _failures_as_unavailable() -> Iterator[None]:
    try:
        yield
    except redis.ResponseError as error:
        kind = _AnotherTypeError if str(error).startswith("WRONGTYPE") else SafeModeUnavailableError
        raise kind("Redis refuses the SAFE MODE switch") from error
    except redis.RedisError as error:
        raise SafeModeUnavailableError("Redis does not answer for the SAFE MODE switch") from error
