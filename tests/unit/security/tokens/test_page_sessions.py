from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from security.messages.message_signer import MessageSigner
from security.revocations.revocation import RevocationsUnavailableError
from security.tokens.page_sessions import LINK_SECONDS, PageSessions
from security.tokens.used_links_memory import MemoryUsedLinks

KEY, OTHER = b"k" * 32, b"o" * 32


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class NobodyRevoked:
    """Revokes nobody, or does not answer."""

    is_away: bool = False
    generation: int = 0
    started: list[str] = field(default_factory=list)

    def covers(self, *, token_id: str, subject: str, issued_at: int) -> bool:  # noqa: ARG002 - the protocol's
        if self.is_away:
            raise RevocationsUnavailableError("no Redis")
        return False

    def start(self) -> None:
        self.started.append("start")

    def stop(self) -> None:
        self.started.append("stop")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Callable[..., PageSessions]:
    used = MemoryUsedLinks()

    def sessions(signer: MessageSigner | None = None, *, revoked: NobodyRevoked | None = None) -> PageSessions:
        return PageSessions(
            signer or MessageSigner(KEY),
            revocations=revoked or NobodyRevoked(),
            used=used,
            session_seconds=3600,
            clock=clock,
        )

    return sessions


def test_a_link_lives_five_minutes_and_its_cookie_as_long_as_a_session(
    make: Callable[..., PageSessions], clock: Clock
) -> None:
    sessions = make()
    link, expires_at = sessions.make_link("operator")
    assert expires_at == 1000 + LINK_SECONDS
    late, _ = sessions.make_link("operator")
    clock.now += LINK_SECONDS
    cookie = sessions.open(link)
    assert cookie is not None
    clock.now += 1
    assert sessions.open(late) is None
    clock.now = 1000 + LINK_SECONDS + 3600
    assert sessions.subject(cookie) == "operator"
    clock.now += 1
    assert sessions.subject(cookie) is None


def test_a_link_opens_the_page_once_whichever_process_is_asked(make: Callable[..., PageSessions]) -> None:
    link, _ = make().make_link("operator")
    assert make().open(link) is not None
    assert make().open(link) is None


def test_neither_passes_for_the_other(make: Callable[..., PageSessions]) -> None:
    sessions = make()
    link, _ = sessions.make_link("operator")
    cookie = sessions.open(link)
    assert cookie is not None
    assert sessions.subject(link) is None
    assert sessions.open(cookie) is None


def test_another_key_opens_nothing_and_the_previous_one_still_does(make: Callable[..., PageSessions]) -> None:
    link, _ = make().make_link("operator")
    assert make(MessageSigner(OTHER)).open(link) is None
    assert make(MessageSigner(OTHER, KEY)).open(link) is not None


def test_who_cannot_be_looked_up_stays_in(make: Callable[..., PageSessions]) -> None:
    link, _ = make().make_link("operator")
    assert make(revoked=NobodyRevoked(is_away=True)).open(link) is not None


@pytest.mark.parametrize("text", ["", ".", "a.b", "a.b.c", "é.é", "A" * 5000, "====.====", "bnVsbA.bnVsbA"])
def test_anything_else_opens_nothing(make: Callable[..., PageSessions], text: str) -> None:
    assert make().open(text) is None
    assert make().subject(text) is None


def test_altered_content_opens_nothing(make: Callable[..., PageSessions]) -> None:
    link, _ = make().make_link("operator")
    forged = urlsafe_b64encode(b'["1","admin",0,99999999999]').decode().rstrip("=")
    assert make().open(f"{forged}.{link.partition('.')[2]}") is None
