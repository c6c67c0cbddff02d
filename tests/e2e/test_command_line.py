import contextlib
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from ml.training.trained_model import TrainedModel
from tests.e2e.installation import Stack, make_home, wait_for


def living_in(folder: Path) -> set[int]:
    """Returns the processes that work in a folder, which every process of a stack does: so what else listens on one of
    its ports by now, another test's server perhaps, does not matter."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended, perhaps still to be reaped, or somebody else's
            if (process / "cwd").resolve(strict=True).is_relative_to(folder):
                found.add(int(process.name))
    return found


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


def test_what_the_stack_writes_is_not_for_others(stack: Stack) -> None:
    var = stack.home.folder / "var"
    # The test itself has put the model there; keys have modes and tests of their own.
    parts = {"log", "run", "metrics"}
    written = [path for part in parts for path in [var / part, *(var / part).rglob("*")]]
    assert all(len(list((var / part).iterdir())) > 0 for part in parts)
    assert [path for path in [var, *written] if path.exists() and path.stat().st_mode & 0o007] == []


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


@pytest.mark.parametrize(("setting", "options"), [("WEB_PORT", []), ("FLOWER_PORT", ["--detach"])])
def test_a_chosen_port_that_is_taken_is_refused_by_name(
    setting: str, options: list[str], tmp_path: Path, trained: TrainedModel
) -> None:
    home = make_home(tmp_path, trained)
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        refused = home.ops("up", *options, **{setting: port})
    assert refused.returncode == 1
    sentence = f"{setting} {port} is taken by another process; end that one, choose another port, or 0 for any.\n"
    assert refused.stderr == sentence


@pytest.mark.timeout(600)  # it starts and stops a platform, beside other tests
def test_nothing_outlives_a_killed_supervisor_in_the_background(tmp_path: Path, trained: TrainedModel) -> None:
    home = make_home(tmp_path, trained)
    try:
        started = home.ops("up", "--detach")
        assert started.returncode == 0, started.stderr
        stack = home.state
        assert stack is not None
        assert stack.phase == "running"
        # A log can read the progress: each line says something new.
        lines = [line for line in started.stdout.splitlines() if "processes are ready" in line]
        assert lines[-1].strip() == f"{len(stack.processes)} of {len(stack.processes)} processes are ready"
        assert len(set(lines)) == len(lines) > 1
        assert stack.urls["api"] in started.stdout
        assert len(living_in(tmp_path)) > len(stack.processes)
        os.kill(stack.supervisor_pid, signal.SIGKILL)
        wait_for(lambda: not living_in(tmp_path), 60)
        assert home.ops("status").returncode == 4
    finally:
        home.ops("down")
