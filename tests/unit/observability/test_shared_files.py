"""Real processes with real files: what a full disk does to a mapped file is done by the kernel."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from observability.shared_files import ReservedDict
from ops.proving.chaos.platform.disk import full_disk, small_disk

PROGRAM = """
import sys
from observability.metrics import requests_total
requests_total.labels("GET", "/0", "200").inc()
print("up", flush=True)
sys.stdin.readline()
for number in range(300):
    requests_total.labels("GET", f"/{number}", "200").inc()
print("done", flush=True)
sys.stdin.readline()
"""


@contextmanager
def counting(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def say(process: "subprocess.Popen[str]") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_full_disk_ends_no_process_that_counts(tmp_path: Path) -> None:
    with small_disk(tmp_path, 16), counting(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        with full_disk(tmp_path, [process.pid]):
            assert say(process) == "done\n"
        file = tmp_path / f"counter_{process.pid}.db"
        counted = {key for key, *_ in MmapedDict.read_all_values_from_file(str(file))}
        assert sum("fraud_backend_requests_total" in key for key in counted) == 300


def test_without_room_for_a_file_numbers_are_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    numbers = ReservedDict(str(tmp_path / "counter_1.db"))
    numbers.write_value("requests", 3.0, 0.0)
    assert numbers.read_value("requests") == (3.0, 0.0)
    assert list(tmp_path.iterdir()) == []
    numbers.close()


def test_a_file_that_is_there_keeps_its_numbers(tmp_path: Path) -> None:
    path = str(tmp_path / "counter_1.db")
    for count in (1.0, 2.0):
        numbers = ReservedDict(path)
        assert numbers.read_value("requests")[0] == count - 1.0
        numbers.write_value("requests", count, 0.0)
        numbers.close()
    assert [value for _, value, *_ in ReservedDict.read_all_values_from_file(path)] == [2.0]
