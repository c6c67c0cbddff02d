"""How `tests/scheduling.py` shares out the files, on test processes that only write down what they are given."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.scheduling import ALONE, TOGETHER, FileSchedule, is_alone

ROOT = Path(__file__).parents[2]
TESTS = [
    *("tests/e2e/test_a.py::test_1", "tests/e2e/test_b.py::test_2", "tests/e2e/test_b.py::test_3"),
    *(f"tests/unit/test_{name}.py::test_{number}" for name in "cd" for number in range(3)),
    *("tests/chaos/test_faults.py::test_4", "tests/chaos/test_faults.py::test_5"),
]


class FakeNode:
    """A test process that runs what it is given when it is asked to."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw")
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(TESTS[index].split("::")[0] for index in self.given))


def _scheduled(nodes: int) -> tuple[Any, list[Any]]:
    option = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(getvalue=lambda _name: ["popen"] * nodes, option=option)
    schedule = FileSchedule(config)
    made: list[Any] = [FakeNode() for _ in range(nodes)]
    for node in made:
        schedule.add_node(node)
        schedule.add_node_collection(node, TESTS)
    schedule.schedule()
    return schedule, made


def _run(schedule: Any, node: FakeNode, done: int = 0) -> None:
    while done < len(node.given):
        schedule.mark_test_complete(node, node.given[done])
        done += 1


@pytest.mark.parametrize("name", [*TOGETHER, *ALONE])
def test_the_names_stand_for_tests(name: str) -> None:
    assert (ROOT / name).exists()


def test_one_process_takes_all_files_that_share_a_platform() -> None:
    _, (first, second) = _scheduled(2)
    assert first.files[:2] == ["tests/e2e/test_a.py", "tests/e2e/test_b.py"]
    assert not any(file.startswith("tests/e2e") for file in second.files)


def test_what_must_be_alone_begins_when_the_others_have_ended() -> None:
    schedule, (first, second) = _scheduled(2)
    _run(schedule, second)
    assert second.shutting_down
    _run(schedule, first)
    assert not first.shutting_down
    assert not any(is_alone(file) for node in (first, second) for file in node.files)
    schedule.remove_node(second)
    assert first.files[-1] == "tests/chaos/test_faults.py"
    assert {index for node in (first, second) for index in node.given} == set(range(len(TESTS)))


def test_one_process_takes_everything() -> None:
    schedule, (only,) = _scheduled(1)
    _run(schedule, only)
    assert only.given == list(range(len(TESTS)))
