import logging
from pathlib import Path

import pytest

from tasks.losses.dataset_memory import FileDatasetMemory, StateFile


def test_what_was_remembered_is_recalled_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "remembered" / "main.json"
    assert FileDatasetMemory(StateFile(path)).recall() is None
    FileDatasetMemory(StateFile(path)).remember("first")
    FileDatasetMemory(StateFile(path)).remember("second")
    assert FileDatasetMemory(StateFile(path)).recall() == "second"
    assert [each.name for each in path.parent.iterdir()] == ["main.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"name": 3}', '{"name": ""}', '{"name": "a,,b"}', "\x00"])
def test_a_file_that_holds_something_else_is_named_and_counts_as_missing(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "main.json"
    path.write_text(content)
    with caplog.at_level(logging.WARNING):
        assert FileDatasetMemory(StateFile(path)).recall() is None
    assert str(path) in caplog.text


def test_a_disk_that_takes_nothing_is_logged_once_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    memory = FileDatasetMemory(StateFile(tmp_path / "taken" / "main.json"))
    with caplog.at_level(logging.WARNING):
        memory.remember("a")
        memory.remember("b")
    assert len(caplog.records) == 1
