from pathlib import Path

import pytest

from ops.first_model.source import Source
from ops.proving.demo.place import Place
from ops.stack import state
from ops.stack.data_folder import data_folder, is_left_by_demo, mark_left_by_demo, take_over
from settings import Settings


def settings_of(var_dir: Path, **given: object) -> Settings:
    return Settings(_env_file=None, var_dir=var_dir, **given)


def place_of(var_dir: Path, *, file: Path | None = None, models: Path | None = None, **given: object) -> Place:
    settings = settings_of(var_dir, **given)
    return Place.of(Source.of(settings, file), settings, models=models or var_dir / "models")


def test_a_first_demo_works_where_make_up_will(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    assert (place.folder, place.is_shared) == (tmp_path, True)
    assert place.command() == "make up"
    assert place.request("/explanations/t1") == "python -m ops request GET /explanations/t1"


def test_the_next_demo_replaces_what_only_a_demo_wrote(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    (data_folder(tmp_path) / "valkey").mkdir(parents=True)
    (tmp_path / "remembered").mkdir()
    place.leave()
    again = place_of(tmp_path)
    assert again.is_shared
    again.clear()
    assert not data_folder(tmp_path).exists()
    assert not (tmp_path / "remembered").exists()


def test_data_on_which_a_stack_was_started_are_the_users_own(tmp_path: Path) -> None:
    data_folder(tmp_path).mkdir()
    mark_left_by_demo(tmp_path)
    assert is_left_by_demo(tmp_path)
    take_over(tmp_path)
    place = place_of(tmp_path)
    assert (place.folder, place.is_shared) == (tmp_path / "demo" / "simulated", False)
    place.clear()
    place.leave()
    assert data_folder(tmp_path).exists()
    assert not is_left_by_demo(tmp_path)


def test_a_running_stack_keeps_its_data(tmp_path: Path) -> None:
    with state.holding_lock(tmp_path):
        state.begin(tmp_path)
        assert not place_of(tmp_path).is_shared


@pytest.mark.parametrize(
    "given",
    [
        {"file": Path("my payments.parquet")},
        {"models": Path("elsewhere")},
        {"redis_url": "redis://127.0.0.1:1/0"},
        {"mongo_url": "mongodb://127.0.0.1:1/"},
    ],
    ids=["somebody's file", "a model of its own", "a named Redis", "a named MongoDB"],
)
def test_whatever_make_up_would_not_serve_has_a_folder_of_its_own(tmp_path: Path, given: dict[str, Path]) -> None:
    place = place_of(tmp_path, **given)
    assert not place.is_shared
    assert place.folder.parent == tmp_path / "demo"


def test_the_command_for_a_folder_of_its_own_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my var"
    place = place_of(folder, file=Path("history.parquet"))
    assert place.request("/x") == f"VAR_DIR='{folder}/demo/history' python -m ops request GET /x"
    assert place.command() == f"VAR_DIR='{folder}/demo/history' MODEL_DIR='{folder}/models' make up"
