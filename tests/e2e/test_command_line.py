import json
import signal
import socket
from pathlib import Path

import pytest

from ml.training.trained_model import TrainedModel
from ops.processes.ports import accepts
from tests.e2e.installation import Stack, make_home, start, wait_for


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid: int) -> set[int]:
    """Returns all processes below one, such as gunicorn's workers."""
    children = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return children.union(*(descendants(child) for child in children))


def test_a_second_up_says_what_runs_already(stack: Stack) -> None:
    again = stack.home.ops("up")
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    for expected in ("running already", str(stack.supervisor.pid), "score-1", stack.api):
        assert expected in again.stderr


def test_status_is_readable_by_people_and_programs(stack: Stack) -> None:
    wait_for(lambda: stack.home.ops("status").returncode == 0)
    text = stack.home.ops("status").stdout
    content = json.loads(stack.home.ops("status", "--json").stdout)
    assert [process["name"] for process in content["processes"]] == [
        "valkey", "mongo", "kafka", "score-1", "score-2", "explain", "publish", "labels", "retrain", "web", "beat",
        "flower",
    ]  # fmt: skip
    assert all(process["name"] in text for process in content["processes"])


def test_without_a_model_up_says_what_to_run(tmp_path: Path) -> None:
    home = make_home(tmp_path, trained=None)
    refused = home.ops("up")
    assert refused.returncode == 1
    assert "python -m ops train --data PATH" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (tmp_path / "var/keys/dev.env").exists()


def test_a_model_of_other_keys_is_one_sentence(tmp_path: Path, trained: TrainedModel) -> None:
    home = make_home(tmp_path, trained)
    assert home.ops("keys", "--force").returncode == 0
    refused = home.ops("up")
    assert refused.returncode == 1
    assert "cannot be served (signature" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_a_stack_down_and_status_say_so(tmp_path: Path) -> None:
    home = make_home(tmp_path, trained=None)
    assert home.ops("down").stdout == "No stack runs.\n"
    assert home.ops("status").returncode == 4


@pytest.mark.parametrize("setting", ["REDIS_URL", "MONGO_URL", "KAFKA_BOOTSTRAP"])
def test_a_named_server_that_does_not_answer_is_one_sentence(
    setting: str, tmp_path: Path, trained: TrainedModel
) -> None:
    home = make_home(tmp_path, trained)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so nobody else takes it, and not listening
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        url = {"REDIS_URL": f"redis://{address}/0", "MONGO_URL": f"mongodb://{address}/"}.get(setting, address)
        refused = home.ops("up", **{setting: url})
    assert refused.returncode == 1
    assert f"does not answer; check {setting}." in refused.stderr
    assert "Traceback" not in refused.stderr


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path, trained: TrainedModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        wanted = occupied.getsockname()[1]
        home = make_home(tmp_path, trained)
        stack = start(home.with_environment(WEB_PORT=str(wanted)))
        notes = stack.state.notes
    family = descendants(stack.supervisor.pid)
    ports = [process.port for process in stack.state.processes if process.port]
    assert any(f"Port {wanted} is taken; the API listens on" in note for note in notes)
    assert len(family) > len(stack.state.processes)
    stack.supervisor.send_signal(signal.SIGKILL)
    stack.supervisor.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in family), 10)
    assert not any(accepts(port) for port in ports)
    assert home.ops("status").returncode == 4
