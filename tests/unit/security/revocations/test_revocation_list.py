import threading
import time
from collections.abc import Iterator

import pytest

from security.revocations.revocation import Revocation, RevocationSnapshot, RevocationsUnavailableError, RevokedKind
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations

NOW = 1_700_000_000


class CountedStore(MemoryRevocations):
    """Counts readings, and fails them while `is_down`."""

    def __init__(self) -> None:
        super().__init__()
        self.versions = self.lists = 0
        self.is_down = False
        self.was_read = threading.Event()

    def version(self) -> str:
        self.versions += 1
        self._answer()
        return super().version()

    def read(self) -> RevocationSnapshot:
        self.lists += 1
        self._answer()
        return super().read()

    def _answer(self) -> None:
        self.was_read.set()
        if self.is_down:
            raise RevocationsUnavailableError("down")


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def store() -> CountedStore:
    return CountedStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(store: CountedStore, clock: Clock) -> Iterator[RevocationList]:
    known = RevocationList(store, leeway_seconds=30, refresh_seconds=0.5, clock=clock)
    yield known
    known.stop()


def revoke(store: MemoryRevocations, name: str, kind: RevokedKind = RevokedKind.TOKEN) -> None:
    store.add(Revocation(kind, name, NOW, NOW + 3600), now=NOW)


def covers(known: RevocationList, jti: str = "t-1", *, subject: str = "s-1", issued_at: int = NOW) -> bool:
    return known.covers(token_id=jti, subject=subject, issued_at=issued_at)


def test_a_revoked_token_is_covered_and_no_other(known: RevocationList, store: CountedStore) -> None:
    revoke(store, "t-1")
    assert covers(known, "t-1")
    assert not covers(known, "t-2")
    assert not covers(known, "t-2", subject="t-1")


def test_a_revoked_subjects_tokens_are_covered_if_issued_by_then_or_within_the_leeway(
    known: RevocationList, store: CountedStore
) -> None:
    revoke(store, "s-1", RevokedKind.SUBJECT)
    assert covers(known, issued_at=NOW - 1000)
    assert covers(known, issued_at=NOW + 30)
    assert not covers(known, issued_at=NOW + 31)
    assert not covers(known, "s-1", subject="s-2")


def test_the_list_is_read_only_when_its_version_changed(
    known: RevocationList, store: CountedStore, clock: Clock
) -> None:
    first = known.generation
    for _ in range(10):
        clock.seconds += 1
        assert known.generation == first
    assert (store.lists, store.versions) == (1, 10)
    revoke(store, "t-1")
    clock.seconds += 1
    assert known.generation != first
    assert store.lists == 2


def test_without_a_thread_one_request_per_second_reads(
    known: RevocationList, store: CountedStore, clock: Clock
) -> None:
    for _ in range(100):
        assert not covers(known)
    clock.seconds += 1
    for _ in range(100):
        assert known.generation == 0
    assert (store.lists, store.versions) == (1, 1)


def test_nobody_waits_for_a_reading_that_another_request_makes(known: RevocationList, clock: Clock) -> None:
    generation = known.generation
    clock.seconds += 1
    with known._reading:  # as a reading that does not come back holds it
        assert known.generation == generation


def test_while_the_list_cannot_be_read_the_last_known_one_holds(
    known: RevocationList, store: CountedStore, clock: Clock
) -> None:
    revoke(store, "t-1")
    assert covers(known)
    store.is_down = True
    for _ in range(5):
        clock.seconds += 1
        assert known.generation == 0
        assert covers(known)
    store.is_down = False
    store.lift(RevokedKind.TOKEN, "t-1")
    clock.seconds += 1
    assert known.generation == 1
    assert not covers(known)


def test_before_the_first_reading_nothing_is_let_in(known: RevocationList, store: CountedStore) -> None:
    store.is_down = True
    with pytest.raises(RevocationsUnavailableError):
        _ = known.generation
    with pytest.raises(RevocationsUnavailableError):
        covers(known)
    store.is_down = False
    assert not covers(known)


def test_a_started_list_is_read_beside_the_requests(store: CountedStore) -> None:
    known = RevocationList(store, leeway_seconds=30, refresh_seconds=0.001)
    known.start()
    try:
        assert store.was_read.wait(5)
        revoke(store, "t-1")
        for _ in range(2):  # the second reading begins after the change
            store.was_read.clear()
            assert store.was_read.wait(5)
        assert covers(known)
        store.is_down = True  # the thread outlives it
        for _ in range(2):
            store.was_read.clear()
            assert store.was_read.wait(5)
        store.is_down = False
    finally:
        known.stop()


class SilentStore(CountedStore):
    """Answers no reading until it is let go, and then none in time."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.is_down = True

    def _answer(self) -> None:
        self.was_read.set()
        self.let_go.wait(60)
        super()._answer()


def test_requests_that_wait_for_the_first_reading_share_its_failure() -> None:
    store = SilentStore()
    known = RevocationList(store, leeway_seconds=30)
    failed = []

    def ask() -> None:
        try:
            covers(known)
        except RevocationsUnavailableError:
            failed.append(threading.current_thread())

    first = threading.Thread(target=ask)
    first.start()
    assert store.was_read.wait(60)
    others = [threading.Thread(target=ask) for _ in range(30)]
    for thread in others:
        thread.start()
    time.sleep(0.2)  # for them to reach the lock; one that is slower reads once more
    store.let_go.set()
    for thread in [first, *others]:
        thread.join(60)
    assert len(failed) == 31
    assert store.lists <= 10


def test_a_request_after_a_failed_reading_reads_again(known: RevocationList, store: CountedStore) -> None:
    store.is_down = True
    with pytest.raises(RevocationsUnavailableError):
        covers(known)
    store.is_down = False
    assert not covers(known)
    assert store.lists == 2
