"""The clients in docs/authentication.md and the README's curl line do what they say, as they stand."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from security.roles import Role
from security.tokens.token_issuer import issue_token
from tests.e2e.installation import ROOT, Stack
from tests.e2e.transactions import transaction

PAGE = (ROOT / "docs" / "authentication.md").read_text()
MOST_LINES = 40


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def environment(stack: Stack) -> dict[str, str]:
    settings = stack.home.settings
    assert settings.hmac_key is not None
    token = issue_token(settings, subject="e2e", roles=[Role.SERVICE, Role.READ])
    return {
        "PATH": stack.home.env["PATH"],
        "URL": stack.api,
        "TOKEN": token,
        "HMAC_KEY": settings.hmac_key.get_secret_value(),
    }


def run(stack: Stack, *command: str) -> str:
    done = subprocess.run(command, env=environment(stack), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def client(stack: Stack, tmp_path: Path) -> Any:
    (tmp_path / "client.py").write_text(block("python"))

    def ask(*arguments: str) -> tuple[int, dict[str, Any]]:
        printed = run(stack, sys.executable, str(tmp_path / "client.py"), stack.api, *arguments)
        status, answer = printed.rstrip("\n").split("\n")
        return int(status), ast.literal_eval(answer)

    return ask


def test_the_python_client_scores_and_reads(client: Any) -> None:
    assert len(block("python").splitlines()) <= MOST_LINES
    sent = transaction()
    status, answer = client("POST", "/predictions/score", json.dumps(sent))
    assert (status, answer["transaction_id"]) == (200, sent["transaction_id"])
    status, stored = client("GET", f"/predictions/{sent['transaction_id']}")
    assert (status, stored["decision"]) == (200, answer["decision"])
    status, refusal = client("POST", "/predictions/score", json.dumps(sent | {"amount": "-1"}))
    assert (status, refusal["errors"][0]["pointer"]) == (422, "/amount")


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("openssl"), reason="needs curl and openssl")
def test_the_shell_client_scores(stack: Stack) -> None:
    answer = json.loads(run(stack, "sh", "-c", block("sh").replace("curl-1", f"curl-{uuid4().hex}")))
    assert answer["decision"] in {"approve", "review", "decline"}


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("form", [[], ["--rfc9421"]])
def test_a_printed_curl_command_works_as_it_is_pasted(stack: Stack, form: list[str]) -> None:
    sent = transaction(metadata={"note": 'it\'s "quoted" $HOME'})
    arguments = ("sign", "POST", f"{stack.api}/predictions/score", "--data", json.dumps(sent), "--subject", "e2e")
    printed = stack.home.ops(*arguments, *form)
    assert printed.returncode == 0, printed.stderr
    answer = json.loads(run(stack, "sh", "-c", f"{printed.stdout.strip()} --silent --show-error"))
    assert answer["transaction_id"] == sent["transaction_id"]
