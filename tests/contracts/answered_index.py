"""What every index of answered transactions does."""

from ml.stores.outbox.answered import AnsweredIndex


class AnsweredIndexContract:
    """Subclasses give an empty `index`, and `answer` transactions in a minute since the epoch."""

    index: AnsweredIndex

    def answer(self, minute: int, *transaction_ids: str) -> None:
        raise NotImplementedError

    def test_returns_what_was_answered_in_a_minute_in_order(self) -> None:
        self.answer(7, "a", "b")
        self.answer(7, "c")
        self.answer(8, "d")
        assert self.index.answered(7) == ["a", "b", "c"]
        assert self.index.answered(8) == ["d"]

    def test_a_minute_without_answers_is_empty(self) -> None:
        self.answer(7, "a")
        assert self.index.answered(6) == []
