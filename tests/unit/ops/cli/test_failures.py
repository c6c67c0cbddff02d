"""Every command, with what people get wrong: no servers, unknown options, files that are none."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.command_line import shrike
from ops.cli.failures import sentence
from ops.credentials.development_keys import make_development_keys

NOBODY = "127.0.0.1:1"  # a port that nothing listens on
SERVERS = {
    "REDIS_URL": f"redis://{NOBODY}/0",
    "MONGO_URL": f"mongodb://{NOBODY}/?serverSelectionTimeoutMS=100",
    "KAFKA_BOOTSTRAP": NOBODY,
}
COMMANDS = sorted(shrike.list_commands(None))  # type: ignore[arg-type]
WITH_SERVERS = [
    ["outbox", "status"],
    ["outbox", "dead-letters", "explain"],
    ["outbox", "redrive", "explain", "--all"],
    ["revoke", "list"],
    ["revoke", "add", "token", "x"],
    ["revoke", "lift", "token", "x"],
    ["models", "rollback", "--reason", "x"],
    ["reseal"],
    ["worker", "score"],
    ["worker", "explain"],
    ["web"],
    ["beat"],
    ["flower"],
]
READERS = [
    ["backfill", "--data"],
    ["train", "--data"],
    ["bench", "quality", "--data"],
    ["request", "POST", "/x", "--url", f"http://{NOBODY}", "--data"],
    ["request", "GET", "/x", "--url", f"https://{NOBODY}", "--ca"],
    ["request", "GET", "/x", "--url", f"https://{NOBODY}", "--cert"],
]
FILES = ["missing.csv", "folder.csv", "empty.csv", "binary.csv", "text.csv", "empty.parquet", "text.parquet"]


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with keys and with files of every wrong kind."""
    monkeypatch.chdir(tmp_path)
    make_development_keys(Path("var/keys"), replace=False)
    (tmp_path / "folder.csv").mkdir()
    for name, content in (("empty", b""), ("binary", b"\xff\xfe\x00\x81" * 64), ("text", b"a,b\n1,2\n")):
        for suffix in (".csv", ".parquet"):
            (tmp_path / f"{name}{suffix}").write_bytes(content)
    # A command that got past its checks would become another program in the place of this one.
    for name in ("execv", "execve"):
        monkeypatch.setattr(os, name, lambda *_: pytest.fail("nothing was refused"))
    return tmp_path


def refusal(*arguments: str) -> str:
    """Returns what a person reads; a traceback, or silence, fails."""
    result = CliRunner().invoke(shrike, list(arguments))
    assert result.exit_code in {1, 2}, (arguments, result.output)
    if isinstance(result.exception, SystemExit):
        return result.output.strip().splitlines()[-1]
    assert result.exception is not None
    text = sentence(result.exception)
    assert text is not None, repr(result.exception)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


def test_every_command_is_known_to_this_test() -> None:
    assert {"train", "backfill", "models", "outbox", "revoke", "request", "reseal"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_named(command: str) -> None:
    group = {"bench": "latency", "models": "list", "outbox": "status", "revoke": "list"}
    assert "--frobnicate" in refusal(command, *([group[command]] if command in group else []), "--frobnicate")


@pytest.mark.parametrize("command", [c for c in WITH_SERVERS if c[0] != "flower"], ids=" ".join)
@pytest.mark.usefixtures("installation")
def test_without_a_server_and_a_name_the_way_on_is_said(command: list[str]) -> None:
    assert "start one by `python -m ops up`" in refusal(*command)


@pytest.mark.parametrize(
    "command", [c for c in WITH_SERVERS if c[0] in {"outbox", "revoke"} and c[1] != "status"], ids=" ".join
)
@pytest.mark.usefixtures("installation")
def test_a_server_that_is_away_is_named_with_its_setting(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url in SERVERS.items():
        monkeypatch.setenv(name, url)
    assert refusal(*command) == "Redis did not answer; is it running, and is REDIS_URL right?"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.usefixtures("installation")
def test_a_file_that_cannot_be_read_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, url in SERVERS.items():
        monkeypatch.setenv(setting, url)
    for command in READERS:
        value = f"@{name}" if command[0] == "request" and command[-1] == "--data" else name
        text = refusal(*command, value)
        is_read = command[0] == "request" and command[-1] == "--data" and name not in {"missing.csv", "folder.csv"}
        assert (NOBODY if is_read else name.partition(".")[0]) in text or "PEM" in text, (command, text)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://{NOBODY}", f"GET /x: no answer from http://{NOBODY} (Connection refused); is the API running there"),
        ("nonsense", "--url is http://HOST:PORT or https://HOST:PORT"),
        ("http://127.0.0.1:99999", "--url is http://HOST:PORT or https://HOST:PORT"),
        ("ftp://127.0.0.1", "--url is http://HOST:PORT or https://HOST:PORT"),
    ],
)
@pytest.mark.usefixtures("installation")
def test_an_api_that_is_not_there_is_said_with_its_address(url: str, said: str) -> None:
    assert said in refusal("request", "GET", "/x", "--url", url)


@pytest.mark.usefixtures("installation")
def test_a_url_whose_port_is_none_is_not_signed() -> None:
    assert "URL cannot be read" in refusal("sign", "GET", "http://h:xx/p")


@pytest.mark.usefixtures("installation")
def test_a_moment_without_a_time_zone_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCEPT_UNSEALED_UNTIL", "2026-03-01T12:00:00")
    assert "ACCEPT_UNSEALED_UNTIL: must name its time zone, such as 2026-03-01T12:00:00Z." in refusal("status")
