from pathlib import Path

import pytest

from web.status.samples import Sample, Samples, Window


def at(seconds: float, answered: float = 0.0, **decisions: float) -> Sample:
    return Sample(seconds, {"200": answered}, {"0.01": answered / 2, "0.05": answered, "+Inf": answered}, decisions)


@pytest.fixture(params=["file", "memory"])
def samples(request: pytest.FixtureRequest, tmp_path: Path) -> Samples:
    return Samples(tmp_path / "samples.json" if request.param == "file" else None)


def test_the_first_look_shows_everything_since_the_start(samples: Samples) -> None:
    window = samples.window(at(100, 40))
    assert (window.seconds, window.answers) == (None, {"200": 40})


def test_a_later_look_shows_what_came_since_the_oldest_of_the_last_minute(samples: Samples) -> None:
    for seconds, answered in ((100, 40), (130, 50), (150, 60)):
        samples.window(at(seconds, answered, approve=answered))
    window = samples.window(at(180, 100, approve=100))
    assert (window.seconds, window.answers, window.decisions) == (50, {"200": 50}, {"approve": 50})


def test_a_counter_that_began_anew_counts_from_there(samples: Samples) -> None:
    samples.window(at(100, 40))
    assert samples.window(at(110, 7)).answers == {"200": 7}


def test_what_nobody_looked_at_for_minutes_is_no_window(samples: Samples) -> None:
    samples.window(at(100, 40))
    assert samples.window(at(1000, 50)).seconds is None


def test_processes_share_the_file(tmp_path: Path) -> None:
    Samples(tmp_path / "samples.json").window(at(100, 40))
    assert Samples(tmp_path / "samples.json").window(at(110, 45)).answers == {"200": 5}
    assert [file.name for file in tmp_path.iterdir()] == ["samples.json"]


@pytest.mark.parametrize("content", ["", "no json", "[1]", '[{"at": "x"}]', "{}", '[{"at": 1, "answers": 3}]'])
def test_a_file_that_holds_something_else_is_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "samples.json").write_text(content)
    samples = Samples(tmp_path / "samples.json")
    assert samples.window(at(100, 40)).seconds is None
    assert samples.window(at(110, 45)).seconds == 10


def test_percentiles_lie_within_their_bucket() -> None:
    window = Window(1, {}, {"0.01": 50, "0.05": 100, "+Inf": 100}, {})
    assert window.percentile_seconds(0.5) == pytest.approx(0.01)
    assert window.percentile_seconds(0.75) == pytest.approx(0.03)
    assert window.percentile_seconds(1.0) == pytest.approx(0.05)


def test_a_percentile_beyond_the_last_bound_is_that_bound_and_without_answers_there_is_none() -> None:
    assert Window(1, {}, {"0.01": 1, "+Inf": 10}, {}).percentile_seconds(0.95) == 0.01
    assert Window(1, {}, {"0.01": 0, "+Inf": 0}, {}).percentile_seconds(0.5) is None
    assert Window(1, {}, {}, {}).percentile_seconds(0.5) is None
