import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.stores.placements.rendezvous import choose

KEYS = [f"customer-{number}" for number in range(4000)]
CHOSEN = ["s1", "s2", "s1", "s1", "s3", "s1", "s3", "s3"]
places = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)
keys = st.lists(st.text(max_size=12), max_size=40)


@given(places, keys)
def test_the_order_of_the_places_decides_nothing(names: list[str], chosen: list[str]) -> None:
    for key in chosen:
        assert choose(names, key) == choose(sorted(names), key)


@given(places, st.text(min_size=1, max_size=8), keys)
def test_a_place_that_joins_takes_keys_for_itself_alone(names: list[str], new: str, chosen: list[str]) -> None:
    for key in chosen:
        assert choose([*names, new], key) in {choose(names, key), new}


@given(places, keys, st.data())
def test_a_place_that_leaves_gives_up_its_own_keys_alone(
    names: list[str], chosen: list[str], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(names))
    left = [name for name in names if name != gone]
    for key in chosen:
        before = choose(names, key)
        if before != gone:
            assert choose(left, key) == before


@pytest.mark.parametrize("count", [2, 3, 8])
def test_every_place_gets_about_the_same_number_of_keys(count: int) -> None:
    shares = Counter(choose([f"s{number}" for number in range(count)], key) for key in KEYS)
    fair = len(KEYS) / count
    # Five standard deviations of a fair draw: the keys are fixed, so that this fails always or never.
    slack = 5 * (fair * (1 - 1 / count)) ** 0.5
    assert len(shares) == count
    assert all(abs(share - fair) < slack for share in shares.values())


def test_a_joining_place_takes_its_share_and_no_more() -> None:
    before, after = ["s1", "s2", "s3"], ["s1", "s2", "s3", "s4"]
    moved = sum(choose(before, key) != choose(after, key) for key in KEYS)
    assert 0.2 < moved / len(KEYS) < 0.3


def test_every_process_chooses_alike_whatever_its_hash_seed() -> None:
    script = (
        "from ml.stores.placements.rendezvous import choose; "
        "print([choose(['s1', 's2', 's3'], f'c{n}') for n in range(50)])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_the_choice_is_part_of_the_stored_state_and_never_changes() -> None:
    assert [choose(["s1", "s2", "s3"], f"customer-{number}") for number in range(8)] == CHOSEN


def test_nowhere_is_no_place() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose([], "customer")
