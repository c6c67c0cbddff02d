"""The API fuzzed from its own OpenAPI document, with every check of schemathesis, by every role and in sequences.

Requests are signed on their way in, after they have been made up; who they claim to come from is left to the fuzzer.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema

from security.roles import Role
from security.signatures.request_signatures import sign
from tests.unit.web.world import HMAC_KEY, World

OPERATIONS = 14
CALLERS = [*Role, None]
BOUNDED = settings(
    max_examples=12,
    stateful_step_count=6,
    derandomize=True,
    database=None,
    deadline=None,
    verbosity=Verbosity.quiet,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


ACCEPTED = ["2xx", "401", "403", "404", "409", "422", "429"]
CONFIGURATION: dict[str, Any] = {
    # Token, timestamp and signature are added to what was made up, and so are no part of it.
    "generation": {"with-security-parameters": False, "allow-x00": False},
    # Dates in reach, real addresses and cursors of ours are rules that a schema cannot state: such a body is a 422.
    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
    "operations": [
        # A bad item of a batch is answered in its place and never fails the others.
        {"include-operation-id": "score_batch", "checks": {"negative_data_rejection": {"enabled": False}}},
    ],
}


class SigningApp:
    """Signs every request, each with a timestamp and so a signature of its own, and hands it on."""

    def __init__(self, world: World) -> None:
        self._app = world.app
        self._numbers = count()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        query = environ.get("QUERY_STRING", "")
        environ.setdefault("RAW_URI", environ["PATH_INFO"] + (f"?{query}" if query else ""))
        timestamp = int(time.time()) - 100 + next(self._numbers) % 200
        environ["HTTP_X_REQUEST_TIMESTAMP"] = str(timestamp)
        environ["HTTP_X_REQUEST_SIGNATURE"] = sign(
            HMAC_KEY.encode(),
            method=environ["REQUEST_METHOD"],
            path=environ["RAW_URI"],
            timestamp=timestamp,
            body=body,
        )
        return self._app(environ, start_response)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(changes={"rate_limit_capacity": 0, "device_rate_limit_capacity": 0})


@pytest.fixture
def schema(world: World) -> BaseSchema:
    return load(world, CONFIGURATION)


def load(world: World, configuration: dict[str, Any]) -> BaseSchema:
    return schemathesis.openapi.from_wsgi(
        "/openapi.json", SigningApp(world), config=SchemathesisConfig.from_dict(configuration)
    )


def headers(world: World, *roles: Role | None) -> dict[str, str]:
    held = [role for role in roles if role is not None]
    return {"Authorization": f"Bearer {world.token(*held)}"} if held else {}


def operations(schema: BaseSchema) -> Iterator[Any]:
    for result in schema.get_all_operations():
        yield result.ok()


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("role", CALLERS)
def test_every_operation_keeps_its_word_to_every_role(
    world: World, schema: BaseSchema, role: Role | None, mode: GenerationMode
) -> None:
    fuzzed = 0
    for operation in operations(schema):

        @BOUNDED
        @given(case=operation.as_strategy(generation_mode=mode))
        def keeps_its_word(case: Any) -> None:
            case.call_and_validate(headers=headers(world, role))

        # An operation without parameters and body has nothing that could break its schema.
        with suppress(Unsatisfiable):
            keeps_its_word()
            fuzzed += 1
    assert fuzzed >= (OPERATIONS if mode is GenerationMode.POSITIVE else OPERATIONS // 2)


def test_sequences_of_operations_keep_their_word(world: World) -> None:
    # Whether a caller without a token is refused, each operation was asked above.
    checks = CONFIGURATION["checks"] | {"ignored_auth": {"enabled": False}}
    schema = load(world, CONFIGURATION | {"checks": checks})

    class Workflow(schema.as_state_machine()):
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 - the name is schemathesis's
            return {"headers": headers(world, *Role)}

    Workflow.run(settings=BOUNDED)


def test_a_fuzzer_sees_a_broken_promise(make_world: Callable[..., World]) -> None:
    """An answer that its schema does not know, and a server error, are both found."""
    world = make_world(changes={"rate_limit_capacity": 0, "device_rate_limit_capacity": 0})

    def broken(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/openapi.json":
            return world.app(environ, start_response)
        start_response("500 Internal Server Error", [("Content-Type", "application/json")])
        return [b"{}"]

    schema = schemathesis.openapi.from_wsgi("/openapi.json", broken)
    operation = next(item for item in operations(schema) if item.path == "/health/live")

    @BOUNDED
    @given(case=operation.as_strategy())
    def keeps_its_word(case: Any) -> None:
        case.call_and_validate()

    with pytest.raises(BaseExceptionGroup):
        keeps_its_word()
