import math

import numpy as np
import orjson
import pytest

from ops.proving.bench.load.loops import LoadResult
from ops.proving.bench.load.rounds import WrongAnswerError
from ops.proving.bench.start.swap import Swap, _first_answer_of, _p99_ms, medians


def result(latency_ms: list[float], versions: list[str], *, failed: set[int] = frozenset()) -> LoadResult:
    return LoadResult(
        latency_seconds=np.array(latency_ms) / 1000,
        statuses=np.array([503 if number in failed else 200 for number in range(len(versions))]),
        bodies=[orjson.dumps({"model_version": version}) for version in versions],
        seconds=1.0,
    )


def test_each_window_has_a_p99_of_its_own_and_a_failure_is_infinitely_late() -> None:
    measured = result([1.0] * 100 + [5.0] * 100, ["v1"] * 200, failed={150, 151})
    assert _p99_ms(measured, slice(0, 100)) == pytest.approx(1.0)
    assert math.isinf(_p99_ms(measured, slice(100, None)))


def test_the_first_answer_of_the_new_model_ends_the_swap() -> None:
    measured = result([1.0] * 4, ["v1", "v1", "v2", "v2"])
    assert _first_answer_of("v2", measured) == 2
    with pytest.raises(WrongAnswerError, match="did not load it"):
        _first_answer_of("v3", measured)


def test_swaps_are_judged_by_their_medians() -> None:
    swaps = [Swap(10, 0, before, during, 1.0) for before, during in ((2.0, 4.0), (4.0, 6.0), (3.0, 100.0))]
    assert medians(swaps) == (3.0, 6.0)
    assert swaps[0].p99_ratio == 2.0
