from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ml.domain.transaction import Transaction
from ops.cli.failures import sentence
from ops.commands.proving.traffic import command
from ops.credentials.development_keys import make_development_keys
from ops.processes.ports import free_port
from tests.unit.ops.proving.scripted_api import READY, ScriptedApi, scripted_api


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as api:
        yield api


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)


def send(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--count", "3", "--sleep-ms", "0", "--url", url, *arguments])


def refusal(result: Result) -> str:
    """Returns the sentence that the command line would print."""
    assert result.exit_code == 1
    text = sentence(result.exception)
    assert text is not None
    return text


def test_each_transaction_is_signed_new_and_named_synthetic(api: ScriptedApi) -> None:
    result = send(api.url)
    assert result.exit_code == 0, result.output
    assert "3 sent, 3 decided: 3 approve" in result.output
    assert len({seen["transaction_id"] for seen in api.seen}) == 3
    for seen in api.seen:
        assert seen.pop("path") == "/predictions/score"
        headers = seen.pop("headers")
        assert "X-Request-Signature" in headers
        assert headers["Authorization"].startswith("Bearer ")
        assert Transaction(**seen).customer_id.startswith("synthetic-")


def test_a_transaction_without_a_decision_is_shown_with_its_reason_and_makes_the_exit_code(api: ScriptedApi) -> None:
    api.answer = lambda _: (503, {"detail": "SAFE MODE is on."})
    result = send(api.url)
    assert result.exit_code == 1
    assert "503: SAFE MODE is on." in result.output
    assert "3 sent, 0 decided." in result.output


def test_a_decision_about_another_transaction_is_none(api: ScriptedApi) -> None:
    api.answer = lambda _: (200, {"transaction_id": "another", "decision": "approve", "score": 0.1})
    assert send(api.url).exit_code == 1


def test_foreign_keys_end_the_run_at_the_first_request(api: ScriptedApi) -> None:
    api.answer = lambda _: (401, {"detail": "The token's signature is wrong."})
    text = refusal(send(api.url))
    assert "refuses this machine's credentials (401: The token's signature is wrong.)" in text
    assert len(api.seen) == 1


def test_an_address_where_nothing_listens_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert refusal(send(url)).startswith(f"{url} does not answer; is it running, and is --url right?")


@pytest.mark.parametrize("readiness", [{"hello": "world"}, [], {"status": "ready", "checks": {"broker": True}}])
def test_what_is_no_shrike_gets_no_transaction(api: ScriptedApi, readiness: object) -> None:
    api.readiness = readiness
    assert f"{api.url} is no Shrike" in refusal(send(api.url))
    assert api.seen == []


@pytest.mark.parametrize("readiness", [READY | {"environment": "production"}, {"status": "ready", "checks": {}}])
def test_production_gets_transactions_only_on_demand(api: ScriptedApi, readiness: object) -> None:
    api.readiness = readiness
    assert "say --allow-production" in refusal(send(api.url))
    assert api.seen == []
    assert send(api.url, "--allow-production").exit_code == 0
    assert len(api.seen) == 3


def test_an_api_that_cannot_score_is_announced_before_its_answers(api: ScriptedApi) -> None:
    api.readiness = READY | {"status": "not_ready", "checks": {"safe_mode": {"ok": False, "detail": "on"}}}
    assert "does not score just now: safe_mode: on." in send(api.url).stderr


@pytest.mark.parametrize("url", ["localhost:8000", "http://", "http://h:port", "http://h/path", "ftp://h"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    result = send(url)
    assert result.exit_code == 2
    assert "--url is http://HOST:PORT" in result.output


def test_a_seed_repeats_amounts_and_customers(api: ScriptedApi) -> None:
    for _ in range(2):
        send(api.url, "--seed", "7")
    amounts = [seen["amount"] for seen in api.seen]
    assert amounts[:3] == amounts[3:]
