import pytest

from security.errors import MessageRejectedError
from security.messages.message_replays import SeenMessages


class Clock:
    now_ms = 1_000

    def __call__(self) -> int:
        return self.now_ms


def test_a_message_is_taken_once() -> None:
    seen = SeenMessages(now_ms=Clock())
    seen.take("a", 2_000)
    seen.take("b", 2_000)
    for message_id in ("a", "b"):
        with pytest.raises(MessageRejectedError, match="message_replayed"):
            seen.take(message_id, 9_000)


def test_a_message_is_forgotten_only_after_its_deadline() -> None:
    clock = Clock()
    seen = SeenMessages(now_ms=clock)
    seen.take("a", 2_000)
    clock.now_ms = 2_000
    seen.take("b", 9_000)
    with pytest.raises(MessageRejectedError):
        seen.take("a", 2_000)
    clock.now_ms = 2_001
    seen.take("c", 9_000)
    assert list(seen._deadlines) == ["b", "c"]


def test_memory_is_bounded_even_if_no_deadline_passes() -> None:
    seen = SeenMessages(limit=100, now_ms=Clock())
    for number in range(1_000):
        seen.take(str(number), 10**15)
    assert list(seen._deadlines) == [str(number) for number in range(900, 1_000)]


def test_what_is_over_leaves_faster_than_new_messages_come() -> None:
    clock = Clock()
    seen = SeenMessages(now_ms=clock)
    for number in range(1_000):
        seen.take(f"old {number}", 2_000)
    clock.now_ms = 3_000
    for number in range(1_000):
        seen.take(f"new {number}", 9_000)
    assert len(seen._deadlines) == 1_000
