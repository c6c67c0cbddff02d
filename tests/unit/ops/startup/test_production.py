import base64
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.commands.credentials.certs import command as certs
from ops.commands.credentials.keys import command as keys
from ops.commands.stack.production_check import command
from ops.errors import OpsError
from ops.startup import production as production_check
from ops.startup.production import PLATFORM, ROLES
from ops.startup.production import refusals as everything
from security.artifacts.artifact_pem import private_key_pem

SERVERS = {
    "ENVIRONMENT": "production",
    "TLS_TERMINATED_BY_PROXY": "true",
    "REDIS_URL": "rediss://127.0.0.1:1/0",
    "MONGO_URL": "mongodb://127.0.0.1:1/?tls=true",
    "KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "KAFKA_SECURITY_PROTOCOL": "SSL",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["--settings-only", *arguments])


def refusals(role: str = PLATFORM) -> list[str]:
    return everything(role, asks_servers=False)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with the keys that the command makes."""
    result = CliRunner().invoke(keys, ["--production", "--out", "secrets"])
    assert result.exit_code == 0, result.output
    for line in Path("secrets/production.env").read_text().splitlines():
        if not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    for name, value in SERVERS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("production")
def test_the_keys_that_are_made_for_production_are_those_it_wants() -> None:
    result = run()
    assert (result.exit_code, result.output) == (
        0,
        "Production accepts these settings; no server was asked and no model opened.\n",
    )
    assert json.loads(run("--json").output) == {
        "role": "platform",
        "servers_asked": False,
        "ready": True,
        "problems": [],
    }
    assert "dev_" not in Path("secrets/production.env").read_text() + Path("secrets/artifact_trust.json").read_text()
    assert Path("secrets/production.env").stat().st_mode & 0o777 == 0o600


def test_everything_is_named_at_once() -> None:
    """What took four rounds of starting and reading."""
    names = {problem.split()[0].rstrip(":") for problem in refusals()}
    assert names >= {
        "ENVIRONMENT",
        "TLS",
        "REDIS_URL",
        "MONGO_URL",
        "KAFKA_SECURITY_PROTOCOL",
        "JWT_SECRET",
        "HMAC_KEY",
        "MESSAGE_KEY",
        "ARTIFACT_KEY_ID",
        "ARTIFACT_ENCRYPTION_KEY",
        "ARTIFACT_VERIFY_KEY_FILE",
        "ARTIFACT_SIGNING_KEY_FILE",
        "FLOWER_PASSWORD",
    }
    result = run("--json")
    assert result.exit_code == 1
    assert len(json.loads(result.output)["problems"]) == len(refusals())


def test_malformed_values_hide_nothing_else(production: pytest.MonkeyPatch, tmp_path: Path) -> None:
    production.setenv("WEB_PORT", "no port")
    production.setenv("RATE_LIMIT_OVERRIDES", "{")
    production.setenv("PERF_MODE", "true")
    production.setenv("HMAC_KEY", "short")
    production.setenv("JWT_JWKS_CA_FILE", str(tmp_path / "absent.pem"))
    (tmp_path / ".env").write_text("HMAK_KEY=x\n")
    problems = refusals()
    for beginning in (
        "WEB_PORT: ",
        "RATE_LIMIT_OVERRIDES: ",
        "PERF_MODE keeps",
        "HMAC_KEY is 5 bytes",
        "JWT_JWKS_CA_FILE: ",
        ".env names HMAK_KEY",
    ):
        assert [problem for problem in problems if problem.startswith(beginning)], beginning
    assert len(problems) == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLOWER_PASSWORD", "long-enough,and-with-a-comma"),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
        ("TLS_TERMINATED_BY_PROXY", "perhaps"),
        ("REDIS_URL", "http://redis"),
        ("MONGO_URL", "http://mongo"),
    ],
)
def test_a_malformed_value_is_not_said_to_be_missing_too(production: pytest.MonkeyPatch, name: str, value: str) -> None:
    production.setenv(name, value)
    problems = refusals()
    assert len(problems) == 1, problems
    assert problems[0].startswith(name)


def test_a_malformed_value_contradicts_no_other(production: pytest.MonkeyPatch) -> None:
    production.setenv("SCORE_SHARD_URLS", "{")
    production.setenv("SHARD", "s1")
    assert [problem.partition(":")[0] for problem in refusals()] == ["SCORE_SHARD_URLS"]


@pytest.mark.parametrize(
    ("name", "value", "left_out"),
    [
        ("REDIS_URL", "http://redis", {"redis_url", "broker_url", "feature_redis_url", "score_shard_urls"}),
        ("REDIS_CREDENTIALS_FILE", "absent", {"redis_url", "broker_url", "feature_redis_url", "score_shard_urls"}),
        ("MONGO_URL", "http://mongo", {"mongo_url"}),
        ("MONGO_CREDENTIALS_FILE", "absent", {"mongo_url"}),
    ],
)
def test_a_malformed_address_asks_no_other_server(
    production: pytest.MonkeyPatch, name: str, value: str, left_out: set[str]
) -> None:
    asked: list[frozenset[str]] = []

    def ask(*_: object, left_out: frozenset[str]) -> list[str]:
        asked.append(left_out)
        return []

    production.setattr(production_check, "server_problems", ask)
    production.setattr(production_check, "require_model", lambda _: None)
    assert everything() == []
    production.setenv(name, value)
    assert len(everything()) == 1
    assert not asked[0]
    assert left_out <= asked[1]


@pytest.mark.parametrize("value", [None, "", " "])
@pytest.mark.parametrize("name", ["REDIS_URL", "MONGO_URL", "KAFKA_BOOTSTRAP"])
def test_a_server_that_nobody_named_is_missing_and_is_not_asked(
    production: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    """The default may lead to somebody else's server."""
    production.delenv(name)
    if value is not None:
        production.setenv(name, value)
    asked: list[frozenset[str]] = []

    def ask(*_: object, left_out: frozenset[str]) -> list[str]:
        asked.append(left_out)
        return []

    production.setattr(production_check, "server_problems", ask)
    production.setattr(production_check, "require_model", lambda _: None)
    problems = everything()
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{name} is not set; write ")
    assert asked == [frozenset({name.lower()})]
    assert bool(refusals("publish")) == (name != "MONGO_URL")


def test_a_missing_credentials_file_hides_nothing_else(production: pytest.MonkeyPatch) -> None:
    production.setenv("MONGO_CREDENTIALS_FILE", "absent")
    production.setenv("REDIS_CREDENTIALS_FILE", "absent")
    production.setenv("PERF_MODE", "true")
    production.delenv("MESSAGE_KEY")
    assert {problem.split()[0].rstrip(":") for problem in refusals()} == {
        "MONGO_CREDENTIALS_FILE",
        "REDIS_CREDENTIALS_FILE",
        "PERF_MODE",
        "MESSAGE_KEY",
    }


@pytest.mark.usefixtures("production")
def test_servers_that_do_not_answer_and_a_missing_model_are_named_at_once() -> None:
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 1
    lines = result.output.splitlines()[1:]
    assert [line.split()[1].rstrip(":") for line in lines] == ["REDIS_URL", "MONGO_URL", "KAFKA_BOOTSTRAP", "No"]
    assert lines[0] == (
        "  - REDIS_URL: Redis at rediss://127.0.0.1:1/0 does not answer (connection refused); "
        "start it, or correct the address and the REDIS_…_FILE settings."
    )
    assert "No model is trained yet in" in lines[-1]
    assert [problem.split()[0] for problem in everything("score")] == ["REDIS_URL:", "No"]
    assert [problem.split()[0] for problem in everything("beat")] == ["REDIS_URL:"]


PLAIN = {
    "MONGO_URL": "mongodb://127.0.0.1:1/",
    "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    "FEATURE_REDIS_URL": "redis://127.0.0.1:1/0",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    "JWT_JWKS_URL": "http://127.0.0.1:1",
}


@pytest.mark.parametrize(
    ("role", "opened"),
    [
        ("web", {"MONGO_URL", "JWT_JWKS_URL"}),
        ("score", {"FEATURE_REDIS_URL"}),
        ("explain", {"MONGO_URL"}),
        ("publish", {"KAFKA_SECURITY_PROTOCOL"}),
        ("labels", {"MONGO_URL", "FEATURE_REDIS_URL"}),
        ("retrain", {"MONGO_URL", "KAFKA_SECURITY_PROTOCOL", "MLFLOW_TRACKING_URI"}),
        ("beat", set()),
        ("flower", set()),
        (PLATFORM, set(PLAIN)),
    ],
)
def test_a_process_is_asked_for_the_connections_that_it_opens(
    production: pytest.MonkeyPatch, role: str, opened: set[str]
) -> None:
    for name, value in PLAIN.items():
        production.setenv(name, value)
    production.setenv("JWT_ALGORITHM", "ES256")
    production.setenv("KAFKA_CA_FILE", "absent.pem")
    files = {"KAFKA_CA_FILE"} if "KAFKA_SECURITY_PROTOCOL" in opened else set()
    assert {problem.split()[0].rstrip(":") for problem in refusals(role)} == opened | files


def test_the_nearest_name_may_be_that_of_a_malformed_value(production: pytest.MonkeyPatch, tmp_path: Path) -> None:
    production.setenv("PERF_MODE", "perhaps")
    (tmp_path / ".env").write_text("PERF_MOD=true\n")
    assert [problem.split()[0].rstrip(":") for problem in refusals()] == ["PERF_MODE", ".env"]


def test_the_api_alone_is_asked_for_its_tls(production: pytest.MonkeyPatch) -> None:
    production.delenv("TLS_TERMINATED_BY_PROXY")
    missing = "TLS is missing; set TLS_CERTIFICATE_FILE and TLS_KEY_FILE, or TLS_TERMINATED_BY_PROXY."
    assert {role: refusals(role) for role in ROLES} == {
        role: [missing] if role in {"web", PLATFORM} else [] for role in ROLES
    }


def test_settings_that_contradict_each_other_are_named(production: pytest.MonkeyPatch) -> None:
    production.setenv("SHARD", "s1")
    assert refusals() == ["SHARD names a shard that SCORE_SHARD_URLS does not: it names none."]


@pytest.mark.usefixtures("production")
def test_a_process_is_asked_for_its_own_keys_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("JWT_", "HMAC_", "ARTIFACT_", "FLOWER_"))]:
        monkeypatch.delenv(name)
    for role in ("explain", "publish", "labels", "beat"):
        assert refusals(role) == []
    assert [problem.split()[0] for problem in refusals("flower")] == ["FLOWER_PASSWORD"]
    assert {problem.split()[0] for problem in refusals("web")} == {"JWT_SECRET", "HMAC_KEY"}


def test_a_certificate_needs_its_own_key(production: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_bytes(base64.b64encode(secrets.token_bytes(64)))
    production.setenv("TLS_CERTIFICATE_FILE", "one")
    production.setenv("TLS_KEY_FILE", "other")
    assert refusals() == ["TLS_CERTIFICATE_FILE and its key are no readable pair; check both files."]


LIST = Path("secrets/artifact_trust.json")
SIGNING = Path("secrets/artifact_signing.pem")


def other_id(listed: dict[str, Any]) -> None:
    listed["keys"][0]["id"] = "another"


def expired(listed: dict[str, Any]) -> None:
    listed["keys"][0]["not_after"] = "2020-01-01T00:00:00Z"


def revoked(listed: dict[str, Any]) -> None:
    listed["revoked_keys"] = [listed["keys"][0]["id"]]


@pytest.mark.parametrize(
    ("change", "words"), [(other_id, "is not accepted"), (expired, "expired on"), (revoked, "was revoked")]
)
@pytest.mark.usefixtures("production")
def test_models_that_would_be_signed_and_never_loaded_are_refused(
    change: Callable[[dict[str, Any]], None], words: str
) -> None:
    listed = json.loads(LIST.read_text())
    change(listed)
    LIST.write_text(json.dumps(listed))
    for role in ("retrain", PLATFORM):
        (problem,) = refusals(role)
        assert problem.startswith(
            "ARTIFACT_SIGNING_KEY_FILE signs models under ARTIFACT_KEY_ID that ARTIFACT_TRUST_FILE"
        )
        assert words in problem


def test_a_signing_key_of_another_pair_is_refused(production: pytest.MonkeyPatch) -> None:
    SIGNING.write_bytes(private_key_pem(Ed25519PrivateKey.generate()))
    (problem,) = refusals("retrain")
    assert "that ARTIFACT_TRUST_FILE does not accept: the signature does not match" in problem
    production.delenv("ARTIFACT_TRUST_FILE")
    (problem,) = refusals("retrain")
    assert "that ARTIFACT_VERIFY_KEY_FILE does not accept: the signature does not match" in problem
    assert refusals("score") == []


@pytest.mark.parametrize(
    ("name", "path"), [("ARTIFACT_TRUST_FILE", LIST), ("ARTIFACT_SIGNING_KEY_FILE", SIGNING)], ids=str
)
@pytest.mark.usefixtures("production")
def test_an_unusable_file_is_said_once_with_its_setting(name: str, path: Path) -> None:
    path.write_bytes(b" " * 70_000)
    assert [problem.partition(": ")[0] for problem in refusals()] == [name]
    path.unlink()
    assert [problem.partition(": ")[0] for problem in refusals()] == [name]


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_an_authority_without_a_certificate_is_refused(
    production: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    production.setenv("KAFKA_CA_FILE", "ca.pem")
    assert refusals() == [
        "KAFKA_CA_FILE: ca.pem holds no certificate in PEM form; name the file of the server's authority."
    ]


def test_an_authority_with_a_certificate_is_accepted(production: pytest.MonkeyPatch) -> None:
    production.setenv("ENVIRONMENT", "development")
    assert CliRunner().invoke(certs, ["--dir", "made"]).exit_code == 0
    production.setenv("ENVIRONMENT", "production")
    production.setenv("KAFKA_CA_FILE", "made/ca.pem")
    assert not [problem for problem in refusals() if "certificate in PEM" in problem or "cannot be read" in problem]


@pytest.mark.parametrize("make", [keys, certs])
def test_nothing_for_development_is_made_under_production(make: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    result = CliRunner().invoke(make, [])  # type: ignore[arg-type]
    assert isinstance(result.exception, OpsError)
    assert "ENVIRONMENT is production, which refuses" in str(result.exception)
    assert not Path("var").exists()


@pytest.mark.parametrize("word", ["prod", "Production", "development"])
def test_another_environment_is_said_with_the_word_that_was_read(production: pytest.MonkeyPatch, word: str) -> None:
    production.setenv("ENVIRONMENT", word)
    assert refusals() == [f"ENVIRONMENT is {word!r}, not 'production', so no process would check any of this; set it."]


def test_another_malformed_setting_hides_no_environment(production: pytest.MonkeyPatch) -> None:
    production.setenv("LOG_LEVEL", "loud")
    assert [problem.partition(":")[0] for problem in refusals()] == ["LOG_LEVEL"]
