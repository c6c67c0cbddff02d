import subprocess
import sys
from pathlib import Path

import pytest

from ops.installation import torch_source
from ops.installation.torch_source import choose, has_wheel

ROOT = Path(__file__).parents[4]
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"


def answers() -> bool:
    return True


def is_silent() -> bool:
    return False


def must_not_be_asked() -> bool:
    raise AssertionError("the index was asked")


def folder_with(tmp_path: Path, name: str) -> str:
    (tmp_path / name).touch()
    return str(tmp_path)


def test_pytorch_comes_for_cpus_by_default() -> None:
    assert choose({}, version="2.13.0", is_reachable=answers) == ("cpu", None)


def test_the_users_own_choice_is_kept() -> None:
    environment = {"UV_TORCH_BACKEND": "cu128"}
    assert choose(environment, version="2.13.0", is_reachable=must_not_be_asked) == ("cu128", None)


def test_a_configured_wheel_needs_no_index(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, f"torch-2.13.0+cpu-{TAG}-{TAG}-manylinux_2_28_x86_64.whl")
    environment = {"UV_FIND_LINKS": f"/nowhere {folder}"}
    assert choose(environment, version="2.13.0", is_reachable=must_not_be_asked) == ("", None)


@pytest.mark.parametrize(
    "name",
    [
        f"torch-2.12.0+cpu-{TAG}-{TAG}-x.whl",
        "torch-2.13.0+cpu-cp27-cp27-x.whl",
        f"torchvision-2.13.0-{TAG}-{TAG}-x.whl",
    ],
)
def test_a_wheel_that_does_not_fit_is_none(tmp_path: Path, name: str) -> None:
    assert not has_wheel(folder_with(tmp_path, name), "2.13.0")


@pytest.mark.parametrize("is_large", [True, False])
def test_where_the_index_is_silent_a_large_download_is_announced_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, *, is_large: bool
) -> None:
    monkeypatch.setattr(torch_source, "_is_large_by_default", lambda: is_large)
    backend, sentence = choose({}, version="2.13.0", is_reachable=is_silent)
    assert backend == ""
    assert (sentence is not None and "more than 1 GB" in sentence) == is_large


def test_it_runs_as_a_file_without_the_project(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==2.13.0\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "ops/installation/torch_source.py")],
        env={"UV_TORCH_BACKEND": "cpu"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("cpu\n", "")


@pytest.mark.parametrize("proxy", ["foo:bar", "http://127.0.0.1:notaport", "http://127.0.0.1:1"])
def test_a_proxy_that_is_none_is_an_index_that_cannot_be_reached(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    assert not torch_source._index_answers()


def test_a_folder_that_cannot_be_read_holds_no_wheel(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert not has_wheel(f"{file} {tmp_path / 'absent'}", "2.13.0")
