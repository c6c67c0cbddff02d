"""Tokens are minted, listed and revoked on real servers."""

import json
import os
import stat
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ops.commands.credentials.token import command
from ops.credentials.development_keys import make_development_keys
from ops.errors import OpsError
from security.audit.audit import AuditEvent, AuditUnavailableError
from security.errors import TokenRejectedError
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_redis import RedisRevocations
from security.roles import Role
from security.tokens.token_claims import Identity
from security.tokens.token_verifier import TokenVerifier
from settings import load_settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import audit_log

pytestmark = pytest.mark.usefixtures("place")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str, mongo_url: str) -> Path:
    monkeypatch.chdir(tmp_path)
    make_development_keys(Path("var/keys"), replace=False)
    monkeypatch.setitem(os.environ, "REDIS_URL", f"{valkey_url.rsplit('/', 1)[0]}/10")
    monkeypatch.setitem(os.environ, "MONGO_URL", mongo_url)
    monkeypatch.setitem(os.environ, "MONGO_DATABASE", f"tokens_{uuid4().hex[:8]}")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def mint(*arguments: str, out: str = "t") -> str:
    result = run("--role", "metrics", "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    return Path(out).read_text()


def accepted(token: str) -> Identity:
    """Returns whom the API of these settings sees, as each of its processes finds out."""
    settings = load_settings()
    with Connections(settings) as connections:
        revocations = RevocationList(RedisRevocations(connections.redis()), leeway_seconds=30)
        return TokenVerifier.from_settings(settings, revocations=revocations).verify(token)


def audited() -> list[AuditEvent]:
    with Connections(load_settings()) as connections:
        return audit_log(connections).latest(10)


def listed(*arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("list", "--json", *arguments).stdout)
    return found


def test_the_api_accepts_what_was_minted_with_its_role_and_until_its_day() -> None:
    identity = accepted(mint("--days", "7"))
    assert identity.roles == {Role.METRICS}
    assert identity.subject == "metrics"
    assert identity.expires_at - identity.issued_at == 7 * 86_400
    assert stat.S_IMODE(Path("t").stat().st_mode) == 0o600


def test_a_token_for_standard_output_comes_alone_on_it() -> None:
    result = run("--role", "read", "--role", "service", "--subject", "shop-1")
    assert accepted(result.stdout.strip()).roles == {Role.READ, Role.SERVICE}


def test_a_file_that_is_there_is_replaced_and_stays_whole_where_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    first = mint()
    assert mint() != first
    kept = Path("t").read_text()
    monkeypatch.setitem(os.environ, "MONGO_URL", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200")
    assert isinstance(run("--role", "metrics", "--out", "t").exception, AuditUnavailableError)
    assert Path("t").read_text() == kept
    assert {path.name for path in Path().iterdir()} == {"var", "t"}


def test_who_minted_which_token_stands_in_the_audit_and_the_token_does_not() -> None:
    token = mint("--reason", "Prometheus in Berlin")
    (event,) = audited()
    assert (event.action, event.reason) == ("tokens.minted", "Prometheus in Berlin")
    assert event.details["token_id"] == accepted(token).token_id
    assert token not in repr(event)


def test_what_is_good_is_listed_and_what_was_revoked_only_if_asked_for() -> None:
    first, second = accepted(mint()), accepted(mint("--subject", "other"))
    assert [entry["token_id"] for entry in listed()] == [second.token_id, first.token_id]
    assert run("revoke", first.token_id, "--reason", "lost").exit_code == 0
    assert [entry["token_id"] for entry in listed()] == [second.token_id]
    assert [entry["is_revoked"] for entry in listed("--all")] == [False, True]
    assert "revoked" in run("list", "--all").output


def test_a_revoked_token_is_refused_and_the_audit_says_by_whom() -> None:
    token = mint()
    run("revoke", accepted(token).token_id, "--reason", "lost")
    with pytest.raises(TokenRejectedError):
        accepted(token)
    event = audited()[0]
    assert (event.action, event.reason) == ("tokens.revoked", "lost")


def test_an_id_that_was_not_minted_here_is_named_with_the_command_that_takes_it() -> None:
    assert "ops revoke add token" in str(run("revoke", "f" * 32).exception)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--out", "t"), "--role metrics"),
        (("--role", "root"), "'root' is not one of"),
        (("--role", "metrics", "--subject", "two words"), "without spaces"),
        (("--role", "metrics", "--days", "0"), "0 is not in the range"),
        (("--role", "metrics", "list"), "mints nothing"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output
    assert not Path("t").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--days", "31"), "say --days 30"),
        (("--out", "var"), "is a folder"),
        (("--out", "missing/t"), "missing/t cannot be written"),
        (("--private-key", "var/keys/artifact_signing.pem"), "leave --private-key out"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_no_record(arguments: tuple[str, ...], sentence: str) -> None:
    error = run("--role", "metrics", *arguments).exception
    assert isinstance(error, OpsError)
    assert sentence in str(error)
    assert listed() == []


class TestAnAsymmetricKey:
    @pytest.fixture(autouse=True)
    def _of_the_api(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("own", "other"):
            key = ec.generate_private_key(ec.SECP256R1())
            pem = serialization.Encoding.PEM
            private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
            (place / f"{name}.pem").write_bytes(private)
            (place / f"{name}.pub").write_bytes(public)
        monkeypatch.setitem(os.environ, "JWT_ALGORITHM", "ES256")
        monkeypatch.setitem(os.environ, "JWT_PUBLIC_KEY_FILE", "own.pub")

    def test_signs_when_it_is_that_of_the_api(self) -> None:
        assert accepted(mint("--private-key", "own.pem")).roles == {Role.METRICS}

    @pytest.mark.parametrize("name", ["other.pem", "own.pub"])
    def test_is_refused_when_it_is_not(self, name: str) -> None:
        error = run("--role", "metrics", "--private-key", name).exception
        assert "is not the private key of the API's ES256 key" in str(error)

    def test_is_asked_for(self) -> None:
        assert "--private-key" in str(run("--role", "metrics").exception)
