import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from observability import metrics
from observability.exposition import forget_dead_processes, prepare, render

WORK = """
import sys
from observability import metrics
for _ in range(int(sys.argv[1])):
    metrics.requests_total.labels("GET", "/a", "200").inc()
    metrics.request_latency_seconds.labels("GET", "/a").observe(0.005)
metrics.safe_mode_state.labels("web").set(float(sys.argv[2]))
metrics.outbox_lag.labels("mongo").set(7)
print("ready", flush=True)
sys.stdin.read()
"""
ROOT = Path(__file__).parents[3]


def start(directory: Path, requests: int, safe_mode: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(requests), str(safe_mode)],
        cwd=ROOT,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def stop(process: subprocess.Popen[str]) -> None:
    process.communicate("")


def samples(directory: Path | None) -> dict[tuple[str, ...], float]:
    text, content_type = render(directory)
    assert content_type.startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "metrics"
    prepare(directory)
    return directory


def test_processes_are_added_up_and_the_dead_forgotten_where_they_must_be(directory: Path) -> None:
    first, second = start(directory, 3, 1), start(directory, 4, 0)
    try:
        both = samples(directory)
        stop(first)
        one = samples(directory)
        second.kill()  # without any chance to clean up
        stop(second)
        none = samples(directory)
    finally:
        for process in (first, second):
            process.kill()
            stop(process)
    assert both["fraud_backend_requests_total", "/a", "200", "GET"] == 7
    assert both["fraud_backend_request_latency_seconds_count", "/a", "GET"] == 7
    assert both["safe_mode_state", "web"] == 1
    assert one["safe_mode_state", "web"] == 0
    assert ("safe_mode_state", "web") not in none
    for later in (one, none):
        assert later["fraud_backend_requests_total", "/a", "200", "GET"] == 7
        assert later["outbox_lag", "mongo"] == 7


def test_a_single_process_shows_its_own_registry() -> None:
    before = samples(None).get(("drift_alerts_total", "test"), 0.0)
    metrics.drift_alerts_total.labels("test").inc()
    assert samples(None)["drift_alerts_total", "test"] == before + 1


def test_preparing_empties_the_folder_of_an_earlier_group(directory: Path) -> None:
    process = start(directory, 1, 0)
    stop(process)
    assert samples(directory)
    prepare(directory)
    assert samples(directory) == {}


def test_forgetting_twice_at_once_is_harmless(directory: Path) -> None:
    stop(start(directory, 1, 1))
    forget_dead_processes(directory)
    forget_dead_processes(directory)


def process_files(directory: Path) -> set[str]:
    return {file.name.rpartition("_")[2] for file in directory.glob("*.db")}


def test_however_many_processes_came_and_went_the_folder_stays_small(directory: Path) -> None:
    alive = start(directory, 1, 0)
    try:
        for number in range(3):
            gone = start(directory, 2, 1)
            gone.kill()
            stop(gone)
            seen = samples(directory)
            assert process_files(directory) == {f"{alive.pid}.db", "0.db"}
            assert seen["fraud_backend_requests_total", "/a", "200", "GET"] == 1 + 2 * (number + 1)
            assert seen["fraud_backend_request_latency_seconds_count", "/a", "GET"] == 1 + 2 * (number + 1)
            assert seen["safe_mode_state", "web"] == 0
            assert seen["outbox_lag", "mongo"] == 7
    finally:
        alive.kill()
        stop(alive)


def test_a_second_group_in_the_folder_takes_nothing_from_the_first(directory: Path) -> None:
    stop(start(directory, 5, 0))
    first = start(directory, 3, 1)
    try:
        prepare(directory)
        seen = samples(directory)
    finally:
        first.kill()
        stop(first)
    assert seen["fraud_backend_requests_total", "/a", "200", "GET"] == 8
    assert seen["safe_mode_state", "web"] == 1


def test_a_file_that_a_dead_process_left_unreadable_is_dropped(directory: Path) -> None:
    gone = start(directory, 2, 0)
    stop(gone)
    (directory / f"histogram_{gone.pid}.db").write_bytes((100).to_bytes(4, "little") + b"\xff" * 200)
    assert samples(directory)["fraud_backend_requests_total", "/a", "200", "GET"] == 2
    assert process_files(directory) == {"0.db"}
