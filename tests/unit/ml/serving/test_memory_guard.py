import resource

import numpy as np
import pytest

from ml.serving.memory_guard import bounded_memory


def test_small_needs_are_met_and_giant_ones_fail() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded_memory(256 << 20):
        assert np.ones(1 << 20).sum() == 1 << 20
        with pytest.raises(MemoryError):
            np.ones(1 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_the_bound_is_lifted_after_a_failure_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), bounded_memory(1 << 20):
        np.ones(1 << 28)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
