import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli.failures import sentence
from ops.commands.stack.status import command
from ops.credentials.development_keys import make_development_keys
from ops.processes.ports import free_port
from tests.unit.ops.proving.scripted_api import ScriptedApi, scripted_api

STATUS = {
    "at": 1795442400.0,
    "level": "warn",
    "verdict": "Scoring works; 1 thing needs attention.",
    "findings": ["No publish worker is alive."],
    "sections": [{"title": "Workers", "note": "", "rows": [{"name": "publish", "value": "none", "level": "warn"}]}],
}


class Enough(Exception):  # noqa: N818 - what ends a watch that nobody interrupts
    pass


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as api:
        yield api


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)


@pytest.fixture
def _one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_seconds: float) -> None:
        raise Enough

    monkeypatch.setattr(time, "sleep", stop)


def status(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


@pytest.mark.usefixtures("_one_look")
def test_watch_shows_the_verdict_first_and_every_section(api: ScriptedApi) -> None:
    api.readiness = STATUS
    result = status("--watch", "--url", api.url)
    assert isinstance(result.exception, Enough)
    assert result.output.splitlines()[0].startswith("! Scoring works; 1 thing needs attention.")
    assert "No publish worker is alive." in result.output
    assert "Workers\n  ! publish  none" in result.output


@pytest.mark.usefixtures("_one_look")
def test_watch_goes_on_while_the_api_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.client._TRIES", 1)
    url = f"http://127.0.0.1:{free_port()}"
    result = status("--watch", "--url", url)
    assert isinstance(result.exception, Enough)
    assert f"{url} does not answer." in result.output


@pytest.mark.parametrize("answer", [{"hello": "world"}, [], STATUS | {"level": "purple"}])
def test_watch_ends_at_what_is_no_shrike(api: ScriptedApi, answer: Any) -> None:
    api.readiness = answer
    result = status("--watch", "--url", api.url)
    assert "shows no status (200): is it a Shrike" in str(sentence(result.exception))


def test_open_prints_the_link_that_the_api_made(api: ScriptedApi) -> None:
    api.answer = lambda _: (200, {"path": "/status/sign-in#abc", "expires_at": 1})
    result = status("--open", "--url", api.url)
    assert (result.exit_code, result.output) == (0, f"{api.url}/status/sign-in#abc\n")
    assert api.seen[0]["path"] == "/admin/status/links"


def test_open_with_foreign_keys_says_so(api: ScriptedApi) -> None:
    api.answer = lambda _: (401, {"detail": "The token is not trusted."})
    result = status("--open", "--url", api.url)
    assert "refuses this machine's credentials (401): The token is not trusted." in str(sentence(result.exception))


def test_an_address_without_watch_or_open_is_refused() -> None:
    result = status("--url", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "--watch and --open" in result.output


@pytest.mark.usefixtures("_one_look")
def test_what_a_stranger_wrote_moves_no_cursor_and_makes_no_line(api: ScriptedApi) -> None:
    row = {"name": "publish\x1b[2J", "value": "none\nall is well", "level": "warn"}
    section = {"title": "Workers\r", "note": "\x9b1m", "rows": [row]}
    api.readiness = STATUS | {"findings": ["SAFE MODE: a\x1b[2J\nfake"], "sections": [section]}
    output = status("--watch", "--url", api.url).output
    assert r"SAFE MODE: a\x1b[2J\nfake" in output
    assert r"none\nall is well" in output
    assert output.replace("\n", "").isprintable()
