"""Self-tests asked for and answered in one process, for tests."""

from tasks.model.self_test import SelfTestResult


class MemorySelfTestExchange:
    """Keeps the latest test and its answers."""

    def __init__(self) -> None:
        self._number = 0
        self._answers: dict[str, dict[str, SelfTestResult]] = {}

    def ask(self) -> str:
        """See `SelfTestExchange.ask`."""
        self._number += 1
        self._answers = {str(self._number): {}}
        return str(self._number)

    def asked(self) -> str | None:
        """See `SelfTestExchange.asked`."""
        return str(self._number) if self._number else None

    def answer(self, test_id: str, result: SelfTestResult) -> None:
        """See `SelfTestExchange.answer`."""
        self._answers.setdefault(test_id, {})[result.process] = result

    def answers(self, test_id: str) -> list[SelfTestResult]:
        """See `SelfTestExchange.answers`."""
        return list(self._answers.get(test_id, {}).values())
