import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from ops.client import Client
from security.roles import Role
from security.tokens.token_issuer import issue_token
from settings import Settings
from tests.integration.web.conftest import RunningApi
from tests.integration.workers.conftest import Works, wait_until

ASKED = 12
"""Connections opened to see what both processes say."""


@pytest.fixture(scope="module")
def works(works: Works) -> Iterator[Works]:
    yield works
    works.client.delete(*works.client.keys("shrike:revocations*"))


@pytest.fixture
def revoke(works: Works) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ops", "revoke", *arguments]
        return subprocess.run(command, env=os.environ | works.env, capture_output=True, text=True, check=False)

    return run


def statuses(api: RunningApi, token: str) -> set[int]:
    """Returns what both processes answer: each connection goes to whichever takes it."""
    key = api.settings.hmac_key
    assert key is not None
    found = set()
    for _ in range(ASKED):
        with Client(f"http://127.0.0.1:{api.port}", hmac_key=key.get_secret_value().encode(), token=token) as client:
            found.add(client.send("GET", "/metrics", is_signed=False).status)
    return found


def token_of(settings: Settings, subject: str) -> str:
    return issue_token(settings, subject=subject, roles=[Role.ADMIN])


def token_id(token: str) -> str:
    import jwt

    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


def test_a_revoked_token_is_refused_by_every_process_until_it_is_lifted(
    api: RunningApi, revoke: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    stolen, good = token_of(api.settings, "scraper"), token_of(api.settings, "scraper")
    assert statuses(api, stolen) == {200}
    done = revoke("add", "token", token_id(stolen), "--reason", "laptop stolen")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: statuses(api, stolen) == {401}, seconds=5, what="the revocation")
    assert statuses(api, good) == {200}
    listed = revoke("list").stdout
    assert token_id(stolen) in listed
    assert "laptop stolen" in listed
    assert revoke("lift", "token", token_id(stolen)).returncode == 0
    wait_until(lambda: statuses(api, stolen) == {200}, seconds=5, what="the lift")


def test_a_revoked_subject_holds_no_token_any_more(
    api: RunningApi, revoke: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    tokens = [token_of(api.settings, "leaver") for _ in range(2)]
    assert revoke("add", "subject", "leaver").returncode == 0
    for token in tokens:
        wait_until(lambda token=token: statuses(api, token) == {401}, seconds=5, what="the revocation")
    assert statuses(api, token_of(api.settings, "stayer")) == {200}


def test_the_command_refuses_what_cannot_be_meant(revoke: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    for arguments, sentence in (
        (("add", "token", "two words"), "1 to 128 printable ASCII"),
        (("lift", "subject", "nobody"), "is not revoked"),
        (("add", "key", "a"), "Invalid value"),
        (("add", "token", "a", "--reasons", "x"), "No such option"),
    ):
        failed = revoke(*arguments)
        assert failed.returncode != 0
        assert sentence in failed.stderr
