import pytest

from ops.proving.scraping.findings import Findings, has_fallen
from ops.proving.scraping.prometheus import Series


@pytest.mark.parametrize(("values", "fell"), [([1, 1, 2], False), ([3, 2, 3], True), ([0], False), ([2, 0], True)])
def test_a_counter_has_fallen_when_a_value_is_less_than_the_one_before(values: list[float], fell: bool) -> None:  # noqa: FBT001
    assert has_fallen(Series({}, values)) == fell


def test_a_target_that_was_up_and_whose_counters_rose_has_no_problem() -> None:
    assert list(Findings("web", 20, 0, 100, ()).problems()) == []


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        (Findings("web", 0, 0, 0, ()), "web was never scraped."),
        (Findings("web", 9, 2, 4, ()), "web was down at 2 of 9 scrapes."),
        (Findings("web", 9, 0, 0, ()), "web showed no counter."),
        (Findings("web", 9, 0, 4, ("a{}", "b{}")), "web let 2 counters fall, such as a{}."),
    ],
)
def test_everything_that_must_not_be_is_a_sentence(findings: Findings, sentence: str) -> None:
    assert list(findings.problems()) == [sentence]
