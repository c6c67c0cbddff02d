import os
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


def test_guards_that_overlap_leave_the_limit_as_it_was() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    first, second = bounded_memory(256 << 20), bounded_memory(512 << 20)
    first.__enter__()
    narrow = resource.getrlimit(resource.RLIMIT_AS)
    second.__enter__()
    assert resource.getrlimit(resource.RLIMIT_AS) >= narrow
    first.__exit__(None, None, None)
    assert resource.getrlimit(resource.RLIMIT_AS) != before  # the second one still holds
    with pytest.raises(MemoryError):
        np.ones(1 << 30)
    second.__exit__(None, None, None)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_guards_that_lie_within_each_other_leave_the_limit_as_it_was() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded_memory(256 << 20):
        with bounded_memory(1 << 20):
            pass
        assert resource.getrlimit(resource.RLIMIT_AS) != before
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_forked_child_is_not_bound() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded_memory(256 << 20):
        child = os.fork()
        if child == 0:
            os._exit(0 if resource.getrlimit(resource.RLIMIT_AS) == before else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
