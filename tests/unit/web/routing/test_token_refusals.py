import time
from collections.abc import Callable

from prometheus_client import REGISTRY
from pydantic import SecretStr
from werkzeug.test import TestResponse

from security.errors import KeysUnavailableError
from security.revocations.revocation import Revocation, RevocationSnapshot, RevocationsUnavailableError, RevokedKind
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from security.roles import Role
from security.tokens.token_keys import FixedKeys
from settings import Environment
from tests.unit.security.tokens.token_attacks import SECRET, attacks, claims, forge
from tests.unit.web.world import World

_KEYS = {"jwt_secret": SecretStr(SECRET), "jwt_key_id": "key-1"}


def failures(reason: str) -> float:
    return REGISTRY.get_sample_value("jwt_failures_total", {"reason": reason}) or 0.0


def ask(world: World, authorization: str | None) -> TestResponse:
    return world.client.get("/metrics", headers={} if authorization is None else {"Authorization": authorization})


def test_every_refused_token_gets_the_same_answer_and_is_counted_under_its_reason(
    make_world: Callable[..., World],
) -> None:
    """Only the correlation id differs, so nobody learns from an answer how far a forgery got."""
    world = make_world(changes=_KEYS | {"environment": Environment.PRODUCTION})
    assert ask(world, f"Bearer {forge(claims())}").status_code == 200
    world.revocations.add(Revocation(RevokedKind.TOKEN, "stolen", 1, 2**40), now=1)
    refusals = [(name, f"Bearer {token}", reason) for name, token, reason in attacks() if _can_be_sent(token)]
    refusals += [
        ("no header", None, "token_missing"),
        ("another scheme", "Basic YTpi", "token_malformed"),
        ("no token", "Bearer ", "token_malformed"),
        ("revoked", f"Bearer {forge(claims(jti='stolen'))}", "token_revoked"),
    ]
    shapes = set()
    for name, authorization, reason in refusals:
        before = failures(reason)
        answer = ask(world, authorization)
        assert failures(reason) - before == 1, name
        body = answer.get_json()
        correlation_id = body.pop("correlation_id")
        assert answer.headers["X-Correlation-ID"] == correlation_id
        headers = tuple((header, value) for header, value in answer.headers if header != "X-Correlation-ID")
        shapes.add((answer.status_code, str(body), headers))
    assert len(refusals) > 200
    assert len(shapes) == 1
    [(status, body, headers)] = shapes
    assert status == 401
    assert ("WWW-Authenticate", "Bearer") in headers
    assert "expired" not in body.replace("expired or not trusted", "")


def test_in_development_every_refusal_says_why(make_world: Callable[..., World]) -> None:
    world = make_world(changes=_KEYS)
    for name, token, reason in [*attacks(), ("no token", "", "token_malformed")]:
        if _can_be_sent(token):
            detail = ask(world, f"Bearer {token}").get_json()["detail"]
            assert detail.endswith(f" ({reason})"), name
            assert len(detail) > len(f"The bearer token is missing or not accepted. ({reason})"), name
    assert "Authorization" in ask(world, None).get_json()["detail"]
    old = claims(iat=int(time.time()) - 900, exp=int(time.time()) - 600)
    assert "It has expired." in ask(world, f"Bearer {forge(old)}").get_json()["detail"]


def test_only_development_says_why_a_signature_was_refused(make_world: Callable[..., World]) -> None:
    details = []
    for environment in Environment:
        world = make_world(changes={"environment": environment})
        headers = world.headers("GET", "/explanations", role=Role.READ)
        answer = world.client.get("/explanations?limit=1", headers=headers)
        assert answer.status_code == 401
        details.append(answer.get_json()["detail"])
    said = "X-Request-Signature is not the signature of this request."
    assert details[0].startswith(f"{said} It was made with another key or of other bytes than METHOD|path-with-query")
    assert details[1] == said


def test_nobody_is_let_in_while_it_is_not_known_who_was_revoked(make_world: Callable[..., World]) -> None:
    world = make_world()

    class Unreadable(MemoryRevocations):
        def read(self) -> RevocationSnapshot:
            raise RevocationsUnavailableError("no Redis")

    world.services.tokens._revocations = RevocationList(Unreadable(), leeway_seconds=30)
    answer = ask(world, f"Bearer {world.token(Role.ADMIN)}")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_nobody_is_let_in_while_the_key_set_is_not_known(make_world: Callable[..., World]) -> None:
    world = make_world()

    class Unknown(FixedKeys):
        @property
        def generation(self) -> int:
            raise KeysUnavailableError("no provider")

    world.services.tokens._keys = Unknown([])
    answer = ask(world, f"Bearer {world.token(Role.ADMIN)}")
    assert answer.status_code == 503
    assert "provider" not in answer.get_data(as_text=True)


def _can_be_sent(token: str) -> bool:
    """Returns whether the test client lets it through; a server refuses the others before any check of ours."""
    return token.isprintable() and len(token) < 8000 and token.isascii()
