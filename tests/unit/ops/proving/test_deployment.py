from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.cli.failures import sentence
from ops.client import Answer
from ops.commands.proving import stress, traffic
from ops.credentials.development_keys import make_development_keys
from ops.proving.deployment import DeploymentError, check_deployment, detail
from ops.stack.api_access import ApiAccess
from security.keys import generate_secret
from settings import Environment, Settings
from tests.unit.ops.proving.scripted_api import READY, scripted_api


def test_an_api_is_production_also_where_only_this_machine_says_so() -> None:
    settings = Settings(_env_file=None, hmac_key=generate_secret()).model_copy(
        update={"environment": Environment.PRODUCTION}
    )
    with scripted_api() as api:
        access = ApiAccess(api.url, settings, None, needs_keys=True)
        with pytest.raises(DeploymentError, match="say --allow-production"):
            check_deployment(access, allow_production=False)
        assert check_deployment(access, allow_production=True) is None


@pytest.fixture
def access() -> Callable[[str], ApiAccess]:
    settings = Settings(_env_file=None, hmac_key=generate_secret())
    return lambda url: ApiAccess(url, settings, None, needs_keys=True)


@pytest.mark.parametrize("said", [["production"], {"a": 1}, None, 1, "production"])
def test_what_does_not_say_in_a_word_that_it_is_no_production_is_production(
    said: object, access: Callable[[str], ApiAccess]
) -> None:
    with scripted_api() as api:
        api.readiness = READY | {"environment": said}
        with pytest.raises(DeploymentError, match="is production"):
            check_deployment(access(api.url), allow_production=False)


@pytest.mark.parametrize("readiness", [b"[" * 100_000, READY | {"status": ["ready"]}, READY | {"checks": [1]}, b"\xff"])
def test_a_strange_readiness_is_that_of_no_shrike(readiness: Any, access: Callable[[str], ApiAccess]) -> None:
    with scripted_api() as api:
        api.readiness = readiness
        with pytest.raises(DeploymentError, match="is no Shrike"):
            check_deployment(access(api.url), allow_production=False)


def test_what_a_check_says_steers_no_terminal(access: Callable[[str], ApiAccess]) -> None:
    with scripted_api() as api:
        api.readiness = READY | {"status": "not_ready", "checks": {"a\n": {"ok": False, "detail": "\x1b[2Jaway\ud800"}}}
        assert check_deployment(access(api.url), allow_production=False) == "a: [2Jaway"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (999, b"", "no status of HTTP"),
        (503, b"[" * 100_000, "Service Unavailable"),
        (503, b'{"detail": "\\u001b[31mred\\u0007\\ud800"}', "[31mred"),
        (503, b'{"detail": "\\n\\t"}', "Service Unavailable"),
    ],
)
def test_a_detail_is_one_line_that_steers_no_terminal(status: int, body: bytes, said: str) -> None:
    assert detail(Answer(status, {}, body)) == said


def test_a_long_detail_is_cut() -> None:
    assert len(detail(Answer(400, {}, b'{"detail": "%s"}' % (b"x" * 10_000)))) < 510


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: (200, b"[" * 100_000),
        lambda _: (503, b"[" * 100_000),
        lambda one: (200, {"transaction_id": one["transaction_id"], "decision": "\ud800", "score": 10**400}),
        lambda _: (999, {}),
    ],
)
@pytest.mark.parametrize(
    "command", [(traffic.command, "--count", "1"), (stress.command, "--total", "2", "--concurrency", "1")]
)
def test_strange_answers_end_in_no_traceback(
    command: tuple[Any, ...], answer: Callable[[dict[str, Any]], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)
    with scripted_api() as api:
        api.answer = answer
        result = CliRunner().invoke(command[0], [*command[1:], "--url", api.url])
    error = result.exception
    assert error is None or isinstance(error, SystemExit) or sentence(error) is not None
