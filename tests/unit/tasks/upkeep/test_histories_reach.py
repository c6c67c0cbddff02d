import pytest

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.commands import UnansweredError
from tasks.upkeep.histories_reach import HistoriesReach


def failing(error: Exception) -> None:
    raise error


def test_says_which_part_does_not_answer_until_all_does() -> None:
    reach = HistoriesReach()
    silent = StoreUnavailableError("silent")
    failures: list[tuple[Exception, bool, str]] = [
        (UnansweredError("a", [silent, b"x", b"y"]), False, "1 of 3 parts of the feature store do not answer"),
        (UnansweredError("b", [silent, silent]), True, "2 of 2 parts of the feature store do not answer"),
        (silent, True, "the feature store does not answer"),
    ]
    for error, is_blind, detail in failures:
        with pytest.raises(StoreUnavailableError):
            reach.watch(lambda error=error: failing(error))()
        assert (reach.is_blind, reach.detail) == (is_blind, detail)
    reach.watch(lambda: None)()
    assert (reach.is_blind, reach.detail) == (False, None)
