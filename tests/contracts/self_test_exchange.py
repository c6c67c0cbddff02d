"""What every exchange of self-tests does; subclasses name the adapter in a fixture `exchange`."""

from tasks.model.self_test import SelfTestExchange, SelfTestResult

WELL, ILL = SelfTestResult("score-1@a", ""), SelfTestResult("score-2@a", "Prüfsumme ✗")


class SelfTestExchangeContract:
    def test_nothing_is_asked_at_first(self, exchange: SelfTestExchange) -> None:
        assert exchange.asked() is None
        assert exchange.answers("none") == []

    def test_what_is_asked_is_seen_and_answered(self, exchange: SelfTestExchange) -> None:
        test_id = exchange.ask()
        assert exchange.asked() == test_id
        assert exchange.answers(test_id) == []
        exchange.answer(test_id, WELL)
        exchange.answer(test_id, ILL)
        assert sorted(exchange.answers(test_id), key=lambda result: result.process) == [WELL, ILL]

    def test_answers_to_one_test_are_none_to_the_next(self, exchange: SelfTestExchange) -> None:
        first = exchange.ask()
        exchange.answer(first, WELL)
        second = exchange.ask()
        assert second != first
        assert exchange.asked() == second
        assert exchange.answers(second) == []
