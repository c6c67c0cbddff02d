import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.commands.requests.sign import command
from ops.credentials.development_keys import make_development_keys
from security.keys import generate_secret
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from security.roles import Role
from security.signatures.client_keys import ClientKey, FixedClientKeys, shared_key
from security.signatures.http_message_signatures import HttpMessage
from security.signatures.http_message_verifier import MessageSignatureVerifier
from security.signatures.request_signatures import SignatureVerifier
from security.tokens.token_verifier import TokenVerifier
from settings import Settings, load_settings

URL = "http://127.0.0.1:8080/predictions/score?a=1"
DATA = """{"note": "it's $HOME \\"quoted\\" `id`", "ü": 1}"""


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    make_development_keys(tmp_path / "var" / "keys", replace=False)
    return load_settings()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def headers(*arguments: str) -> dict[str, str]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, str] = json.loads(result.output)
    return found


def key(settings: Settings) -> bytes:
    assert settings.hmac_key is not None
    return settings.hmac_key.get_secret_value().encode()


def test_the_headers_are_those_the_api_accepts(settings: Settings) -> None:
    found = headers("post", URL, "--data", DATA, "--role", "service", "--subject", "shop")
    verified = SignatureVerifier(shared_key(key(settings))).verify(
        method="POST",
        path="/predictions/score?a=1",
        timestamp_header=found["X-Request-Timestamp"],
        signature_header=found["X-Request-Signature"],
        body=DATA.encode(),
    )
    assert verified.key_id == "shared"
    known = RevocationList(MemoryRevocations(), leeway_seconds=30)
    identity = TokenVerifier.from_settings(settings, revocations=known).verify(found["Authorization"].split()[1])
    assert (identity.subject, identity.roles) == ("shop", {Role.SERVICE})


def test_a_message_signature_is_one_the_api_accepts(settings: Settings) -> None:
    found = {name.lower(): value for name, value in headers("POST", URL, "--data", DATA, "--rfc9421").items()}
    message = HttpMessage("POST", "http", "127.0.0.1:8080", "/predictions/score?a=1", found.get)
    verifier = MessageSignatureVerifier(shared_key(key(settings)), max_skew_seconds=120)
    assert verifier.verify(message, body=DATA.encode(), subject="operator")


def test_a_clients_own_key_and_token_are_used_if_given(tmp_path: Path) -> None:
    secret = generate_secret()
    (tmp_path / "key.txt").write_text(f"{secret}\n")
    (tmp_path / "token.txt").write_text("a.b.c\n")
    found = headers("GET", URL, "--token", "@token.txt", "--key-id", "shop-1", "--key-file", "key.txt")
    assert found["Authorization"] == "Bearer a.b.c"
    assert found["X-Key-Id"] == "shop-1"
    ring = FixedClientKeys([ClientKey("shop-1", "hmac-sha256", secret.encode(), "shop")])
    assert SignatureVerifier(ring).verify(
        method="GET",
        path="/predictions/score?a=1",
        timestamp_header=found["X-Request-Timestamp"],
        signature_header=found["X-Request-Signature"],
        body=b"",
        key_id_header="shop-1",
        subject="shop",
    )


def test_the_curl_command_keeps_path_and_body_as_they_were_signed() -> None:
    result = run("POST", URL, "--data", DATA)
    words = shlex.split(result.output)
    assert words[:3] == ["curl", "--silent", "--show-error"]
    assert words[3:7] == ["--path-as-is", "--request", "POST", URL]
    assert words[words.index("--data-raw") + 1] == DATA
    assert "Content-Type: application/json" in words


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["GET", "/predictions/a"], "URL is http://host/path"),
        (["GET", "ftp://a/b"], "URL is http://host/path"),
        (["GET", "http://a/b#c"], "without a fragment"),
        (["GET", "http://a/b|c"], "percent-encoded"),
        (["GET", "http://a/ü"], "percent-encoded"),
        (["PUT", "http://a/b"], "Invalid value"),
        (["GET", "http://a/b", "--frobnicate"], "No such option"),
    ],
)
def test_what_cannot_be_signed_is_refused(arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "weak.txt").write_text("secret")
    assert "none.txt" in str(run("GET", URL, "--key-file", "none.txt").exception)
    assert "weak.txt is 6 bytes long" in str(run("GET", URL, "--key-file", "weak.txt").exception)
    (tmp_path / "raw.bin").write_bytes(Ed25519PrivateKey.generate().private_bytes_raw() + b"\xff")
    assert "raw.bin" in str(run("GET", URL, "--token", "@raw.bin").exception)
    assert "not UTF-8" in str(run("POST", URL, "--data", "@raw.bin").exception)
