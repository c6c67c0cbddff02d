"""Links and cookies of the status page: a link opens it once, a cookie keeps it open, and neither opens anything else.

Both are a subject and a moment, sealed with the message key for their one purpose, so that every web process knows
them and none keeps a list. A revoked subject loses both. A link goes into the part of a URL behind `#`, which no
browser sends and no server logs.

Whether a link was used, and who was revoked, stands in Redis. While Redis cannot be asked, a link opens the page once
per web process, and a process that has never read the revocations takes a revoked subject's cookie (fails open): the
page changes nothing, and it is wanted most when Redis is away.
"""

import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal
from security.names import is_name
from security.revocations.revocation import Revocations, RevocationsUnavailableError

LINK_SECONDS: Final = 300
_MOST_CHARACTERS = 2048


class UsedLinks(Protocol):
    """Remembers links that were used."""

    def take(self, link_id: str, seconds: int) -> bool | None:
        """Returns whether this is the first use, None if that cannot be known now.

        Args:
            link_id: of the link.
            seconds: how long to remember it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """What a sealed link or cookie says: id, subject, and epoch seconds of issue and end."""

    pass_id: str
    subject: str
    issued_at: int
    expires_at: int


class PageSessions:
    """Issues and reads links and cookies.

    Args:
        signer: holds the message key.
        revocations: asked at every use.
        used: remembers links that were used.
        session_seconds: life of a cookie; no longer than a token's, since revocations last no longer.
        clock: epoch seconds.
    """

    def __init__(
        self,
        signer: MessageSigner,
        *,
        revocations: Revocations,
        used: UsedLinks,
        session_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._links = Seal(signer, "status link")
        self._cookies = Seal(signer, "status cookie")
        self._revocations = revocations
        self._used = used
        self.session_seconds = session_seconds
        self._used_here: dict[str, int] = {}
        self._clock = clock

    def make_link(self, subject: str) -> tuple[str, int]:
        """Returns a new link and when it ends, epoch seconds."""
        return self._seal(self._links, subject, LINK_SECONDS)

    def open(self, link: str) -> str | None:
        """Returns the cookie that a link buys; None for one that is used, too old, revoked or none of ours."""
        found = self._read(self._links, link)
        if found is None or not self._is_first_use(found):
            return None
        return self._seal(self._cookies, found.subject, self.session_seconds)[0]

    def subject(self, cookie: str) -> str | None:
        """Returns whose cookie it is; None for one that is too old, revoked or none of ours."""
        found = self._read(self._cookies, cookie)
        return None if found is None else found.subject

    def _is_revoked(self, pass_id: str, subject: str, issued_at: int) -> bool:
        try:
            self._revocations.generation  # noqa: B018 - reads the list if it is due
            return self._revocations.covers(token_id=pass_id, subject=subject, issued_at=issued_at)
        except RevocationsUnavailableError:  # fails open, as the module says
            return False

    def _is_first_use(self, link: Pass) -> bool:
        now = int(self._clock())
        self._used_here = {known: end for known, end in self._used_here.items() if end >= now}
        if link.pass_id in self._used_here:
            return False
        self._used_here[link.pass_id] = link.expires_at
        return self._used.take(link.pass_id, LINK_SECONDS) is not False

    def _seal(self, seal: Seal, subject: str, seconds: int) -> tuple[str, int]:
        now = int(self._clock())
        content = orjson.dumps([secrets.token_hex(16), subject, now, now + seconds])
        return f"{_text(content)}.{_text(seal.sign('', content).encode())}", now + seconds

    def _read(self, seal: Seal, text: str) -> Pass | None:
        if len(text) > _MOST_CHARACTERS or not text.isascii():
            return None
        parts = text.split(".")
        try:
            content, given = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
            seal.verify("", content, seal=given.decode())
        except (ValueError, MessageRejectedError):
            return None
        pass_id, subject, issued_at, expires_at = orjson.loads(content)  # ours, since the seal holds
        if self._clock() > expires_at or not is_name(subject):
            return None
        if self._is_revoked(pass_id, subject, issued_at):
            return None
        return Pass(pass_id, subject, issued_at, expires_at)


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
