from pathlib import Path

import pytest

from ops.credentials.development_keys import make_development_keys
from ops.errors import StackError
from ops.proving.place import SERVERS, refuse_named_servers, reserved
from ops.proving.stress import own_stack
from ops.stack.state import holding_lock
from settings import Settings, load_settings


def test_a_folder_is_one_runs_at_a_time(tmp_path: Path) -> None:
    with (
        reserved(tmp_path / "stress"),
        pytest.raises(StackError, match="Another run works in"),
        reserved(tmp_path / "stress"),
    ):
        pass
    with reserved(tmp_path / "stress"):
        pass


def test_a_second_load_deletes_nothing_below_a_running_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)
    monkeypatch.setattr(own_stack, "prepare", lambda _: None)
    data = tmp_path / "var" / "stress" / "data"
    data.mkdir(parents=True)
    with (
        holding_lock(tmp_path / "var" / "stress"),
        pytest.raises(StackError, match="A stack runs in"),
        own_stack.stack_of_its_own(load_settings(), score_workers=1, web_processes=None),
    ):
        pass
    assert data.exists()


@pytest.mark.parametrize("name", SERVERS)
def test_a_load_on_a_stack_of_its_own_reaches_no_server_that_is_named(name: str) -> None:
    value = {"score_shard_urls": {"s1": "redis://10.0.0.7:6379/0"}}.get(name, "redis://10.0.0.7:6379/0")
    refuse_named_servers(Settings.model_construct({name}, **{name: None}))
    settings = Settings.model_construct({name}, **{name: value})
    with (
        pytest.raises(StackError, match=f"{name.upper()} would lead"),
        own_stack.stack_of_its_own(settings, score_workers=1, web_processes=None),
    ):
        pass
