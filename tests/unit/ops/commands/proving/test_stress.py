import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli.failures import sentence
from ops.commands.proving.stress import command
from ops.credentials.development_keys import make_development_keys
from ops.processes.ports import free_port
from tests.unit.ops.proving.scripted_api import READY, ScriptedApi, approve, scripted_api


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as api:
        yield api


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)


def load(url: str, *arguments: str, total: int = 20, concurrency: int = 4) -> Result:
    amounts = ["--total", str(total), "--concurrency", str(concurrency)]
    return CliRunner().invoke(command, [*amounts, "--url", url, "--json", "account.json", *arguments])


def account() -> dict[str, Any]:
    return json.loads(Path("account.json").read_text())


def test_every_request_is_sent_once_and_counted(api: ScriptedApi) -> None:
    result = load(api.url, total=50, concurrency=8)
    assert result.exit_code == 0, result.output
    assert len(api.seen) == len({seen["transaction_id"] for seen in api.seen}) == 50
    counted = account()
    assert (counted["total"], counted["ok"], counted["errors"]) == (50, 50, {})
    assert counted["p50_ms"] <= counted["p95_ms"] <= counted["p99_ms"] <= counted["max_ms"]
    for name in ("total", "ok", "errors", "elapsed", "requests/s", "p50", "p95", "p99", "average"):
        assert f"  {name}  " in result.output


def test_so_many_requests_are_under_way_at_once(api: ScriptedApi) -> None:
    together = threading.Barrier(4, timeout=60)
    first = threading.Event()

    def wait_for_the_others(transaction: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if first.is_set():  # the first goes alone
            together.wait()
        first.set()
        return approve(transaction)

    api.answer = wait_for_the_others
    assert load(api.url, total=9, concurrency=4).exit_code == 0
    assert account()["ok"] == 9


def test_refusals_are_counted_by_status_and_their_latencies_are_not_those_of_decisions(api: ScriptedApi) -> None:
    api.answer = lambda transaction: (429, {}) if len(api.seen) % 2 else approve(transaction)
    result = load(api.url, concurrency=1)
    assert result.exit_code == 0
    assert account()["errors"] == {"429": 10}
    assert "--subjects N shares the load" in result.stderr


def test_a_load_without_any_decision_fails(api: ScriptedApi) -> None:
    api.answer = lambda _: (504, {})
    assert load(api.url).exit_code == 1
    assert account()["errors"] == {"504": 20}
    assert "p50_ms" not in account()


def test_an_answer_about_another_transaction_is_an_error(api: ScriptedApi) -> None:
    api.answer = lambda _: (200, {"transaction_id": "another", "decision": "approve"})
    load(api.url)
    assert account()["errors"] == {"200 without this transaction's decision": 20}


def test_an_answer_that_does_not_come_is_given_up_after_the_timeout(api: ScriptedApi) -> None:
    never = threading.Event()

    def hang_once(transaction: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if len(api.seen) == 2:
            never.wait(60)
        return approve(transaction)

    api.answer = hang_once
    try:
        load(api.url, "--timeout", "2", total=5, concurrency=1)
    finally:
        never.set()
    assert account()["errors"]["no answer within 2 s"] >= 1
    assert account()["sent"] == 5


def test_connections_that_the_server_closes_in_between_cost_no_request(api: ScriptedApi) -> None:
    api.closes = True
    load(api.url)
    assert (account()["ok"], account()["errors"]) == (20, {})


def test_several_subjects_take_turns(api: ScriptedApi) -> None:
    load(api.url, "--subjects", "3")
    assert len({seen["headers"]["Authorization"] for seen in api.seen}) == 3


def test_foreign_keys_end_the_load_at_its_first_request(api: ScriptedApi) -> None:
    api.answer = lambda _: (403, {"detail": "The token lacks the role."})
    result = load(api.url)
    assert "refuses this machine's credentials (403: The token lacks the role.)" in str(sentence(result.exception))
    assert len(api.seen) == 1


def test_production_is_loaded_only_on_demand(api: ScriptedApi) -> None:
    api.readiness = READY | {"environment": "production"}
    result = load(api.url)
    assert result.exit_code == 1
    assert "say --allow-production" in str(sentence(result.exception))
    assert api.seen == []
    assert load(api.url, "--allow-production").exit_code == 0


def test_an_address_where_nothing_listens_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert f"{url} does not answer" in str(sentence(load(url).exception))


def test_more_connections_than_files_are_refused_beforehand(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 256))
    assert "needs 464 open files and this machine allows 256" in str(sentence(load(api.url, concurrency=400).exception))


def test_a_stack_of_its_own_and_an_address_exclude_each_other(api: ScriptedApi) -> None:
    result = load(api.url, "--score-workers", "2")
    assert result.exit_code == 2
    assert "leave --url out" in result.output
