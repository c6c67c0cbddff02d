"""What a Redis with users refuses reaches the person at the terminal as a sentence that says whom to be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.cli.failures import sentence
from ops.commands.credentials.revoke import command as revoke
from ops.commands.outbox.outbox import command as outbox
from ops.commands.processes.beat import command as beat
from ops.errors import OpsError
from ops.startup.preflight import check_beat, check_worker
from security.errors import KeyUnusableError
from tests.integration.ops.guarded import Guarded, guarded_server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as server:
        yield server


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: Guarded) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{guarded.port}/0")


def said(*arguments: str) -> str | None:
    command = outbox if arguments[0] == "status" else revoke
    with pytest.raises(Exception, match=r".") as failure:
        command.main(list(arguments), standalone_mode=False)
    return sentence(failure.value)


@pytest.mark.parametrize("arguments", [("status",), ("list",), ("add", "subject", "shop")])
def test_without_credentials_it_is_said_who_may(arguments: tuple[str, ...]) -> None:
    text = said(*arguments) or ""
    assert text.startswith("Redis does not let this user do the command ")
    assert text.endswith("operator commands run as the user admin, by REDIS_CREDENTIALS_FILE.")


@pytest.mark.parametrize("arguments", [("status",), ("list",)])
@pytest.mark.parametrize("credentials", ["web:wrong", "nobody:pass/word@x", "admin:wrong"])
def test_a_wrong_password_is_no_absent_server(
    arguments: tuple[str, ...], credentials: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(f"{credentials}\n")
    monkeypatch.setenv("REDIS_CREDENTIALS_FILE", "credentials")
    assert (said(*arguments) or "").startswith("Redis refuses the user name or the password; check")


def test_a_user_who_may_not_is_named_the_command(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_CREDENTIALS_FILE", str(guarded.folder / "web"))
    assert (said("add", "subject", "shop") or "").startswith("Redis does not let this user do what was asked for; ")


def test_a_process_with_a_wrong_password_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSAGE_KEY", "Kd83hfz_Lq02mVx7-Pw5tYu1Rb9nSc4g")
    (tmp_path / "credentials").write_text("drains:wrong\n")
    monkeypatch.setenv("REDIS_CREDENTIALS_FILE", "credentials")
    for start in (lambda: check_worker("explain"), check_beat):
        with pytest.raises(OpsError, match="Redis refuses the user name or the password"):
            start()


def test_a_process_without_credentials_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSAGE_KEY", "Kd83hfz_Lq02mVx7-Pw5tYu1Rb9nSc4g")
    with pytest.raises(OpsError, match="Redis does not let this user do the command"):
        check_beat()


@pytest.mark.parametrize("user", ["web", "drains", "beat", "score", "trainer"])
def test_every_user_passes_the_check(guarded: Guarded, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSAGE_KEY", "Kd83hfz_Lq02mVx7-Pw5tYu1Rb9nSc4g")
    monkeypatch.setenv("REDIS_CREDENTIALS_FILE", str(guarded.folder / user))
    check_beat()


def test_beat_without_its_key_is_one_sentence() -> None:
    with pytest.raises(KeyUnusableError, match="MESSAGE_KEY is not set; "):
        beat.main([], standalone_mode=False)
