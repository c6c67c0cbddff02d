import pytest

from tasks.losses.dataset_name import Copies, FoundName, judge

NAME = "0123456789abcdef"


@pytest.mark.parametrize("known", [None, "", NAME])
def test_absent_copies_hold_no_name_whatever_is_known(known: str | None) -> None:
    assert judge(Copies(None, None, None), known) is None


@pytest.mark.parametrize("copies", [Copies(NAME.encode(), None, None), Copies(None, b"sealed", NAME)])
def test_one_copy_of_the_known_name_is_enough(copies: Copies) -> None:
    assert judge(copies, NAME) == FoundName(NAME)


def test_a_plain_copy_beside_another_known_name_is_a_strangers() -> None:
    assert judge(Copies(b"f" * 16, None, None), NAME) == FoundName("f" * 16, is_altered=True)
    assert judge(Copies(b"f" * 16, None, None), None) == FoundName("f" * 16)
