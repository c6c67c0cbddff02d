from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from settings import Settings
from tests.unit.web.world import World
from web.http.problems import KINDS
from web.routing.openapi import openapi_document
from web.routing.operations import endpoints_of

UNDOCUMENTED = {"/", "/openapi.json", "/docs", "/docs/<name>", "/status", "/status/sign-in", "/status/<name>"}


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    document: dict[str, Any] = world.client.get("/openapi.json").get_json()
    return document


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        for method in rule.methods or ():
            if method != "HEAD" and rule.rule not in UNDOCUMENTED:
                yield rule.rule.replace("<", "{").replace(">", "}"), method.lower()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_is_a_valid_openapi_document(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_names_exactly_the_routes_that_exist(world: World, document: dict[str, Any]) -> None:
    assert sorted((path, method) for path, method, _ in operations(document)) == sorted(routes(world.app))


def test_has_every_route_of_the_contract(document: dict[str, Any]) -> None:
    assert {f"{method.upper()} {path}" for path, method, _ in operations(document)} == {
        "POST /predictions/score",
        "POST /predictions/score/batch",
        "GET /predictions/{transaction_id}",
        "GET /explanations/{transaction_id}",
        "GET /explanations",
        "POST /labels",
        "GET /admin/safe-mode",
        "POST /admin/safe-mode/enable",
        "POST /admin/safe-mode/disable",
        "GET /admin/models",
        "POST /admin/models/{version}/promote",
        "POST /admin/models/{version}/rollback",
        "GET /admin/queues",
        "GET /admin/status",
        "POST /admin/status/links",
        "POST /status/session",
        "GET /metrics",
        "GET /health/live",
        "GET /health/ready",
    }


def test_the_document_names_the_security_that_the_guards_demand(world: World, document: dict[str, Any]) -> None:
    declared = {item.declared.name: item.declared for item in endpoints_of(world.app)}
    for _, _, operation in operations(document):
        guarded = declared[operation["operationId"]]
        if guarded.role is None:
            assert operation["security"] == []
            continue
        schemes = operation["security"]
        assert [scheme["bearer"] for scheme in schemes] == [[role.value] for role in guarded.roles]
        for scheme in schemes:
            assert ("signature" in scheme) == ("timestamp" in scheme) == guarded.signed
        assert {"401", "403"} <= set(operation["responses"])


def test_only_metrics_the_status_and_public_routes_are_unsigned(world: World) -> None:
    declared = [item.declared for item in endpoints_of(world.app)]
    unsigned = {operation.path for operation in declared if operation.role and not operation.signed}
    public = {operation.path for operation in declared if operation.role is None}
    assert unsigned == {"/metrics", "/admin/status"}
    assert public == {"/health/live", "/health/ready", "/status/session"}


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for path, method, operation in operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for content in (*bodies, *operation["responses"].values()):
            for media in content["content"].values():
                if "example" not in media:
                    continue
                schema = media["schema"] | {"components": document["components"]}
                errors = [error.message for error in Draft202012Validator(schema).iter_errors(media["example"])]
                # The batch example holds a bad transaction on purpose, to show that it fails alone.
                expected = 1 if (path, content) == ("/predictions/score/batch", operation.get("requestBody")) else 0
                assert len(errors) == expected, (path, method, errors)
                checked += 1
    assert checked > 15


def test_every_status_that_tests_see_is_declared(document: dict[str, Any]) -> None:
    declared = set(document["paths"]["/predictions/score"]["post"]["responses"])
    assert {"200", "400", "401", "403", "408", "409", "413", "415", "422", "429", "500", "503", "504"} == declared


def test_names_every_parameter_with_its_place(document: dict[str, Any]) -> None:
    search = document["paths"]["/explanations"]["get"]["parameters"]
    assert [item["name"] for item in search] == ["customer_id", "decision", "from", "to", "cursor", "limit"]
    assert all(item["in"] == "query" and not item["required"] for item in search)
    [path] = document["paths"]["/predictions/{transaction_id}"]["get"]["parameters"]
    assert (path["in"], path["required"]) == ("path", True)


def configured(world: World, **settings: Any) -> dict[str, Any]:
    declared = [item.declared for item in endpoints_of(world.app)]
    return openapi_document(declared, Settings(_env_file=None, **settings))


def test_an_api_that_knows_its_callers_by_certificates_describes_no_tokens_and_signatures(world: World) -> None:
    document = configured(
        world, mtls_only=True, tls_certificate_file="c", tls_key_file="k", tls_client_ca_file="a", mtls_identities={}
    )
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert {name: scheme["type"] for name, scheme in document["components"]["securitySchemes"].items()} == {
        "certificate": "mutualTLS"
    }
    assert "bearer token, `X-Request" not in document["info"]["description"]
    assert "client certificate" in document["info"]["description"]
    for path, _, operation in operations(document):
        roles = operation["x-role"].split(" or ") if "x-role" in operation else []
        assert operation["security"] == [{"certificate": [role]} for role in roles], path
        assert "X-Request-Signature" not in str(operation["responses"]), path
        assert "`replayed`" not in operation["responses"].get("401", {}).get("description", ""), path


def test_the_document_says_for_how_long_decisions_are_kept_as_it_is_set(world: World) -> None:
    for seconds, text in ((86_400, "for 1 day."), (7 * 86_400, "for 7 days."), (90, "for 90 seconds.")):
        assert text in configured(world, decision_ttl_seconds=seconds)["info"]["description"]
    assert "24 hours" not in str(configured(world))


def test_each_refusal_for_now_says_when_to_come_again_but_the_one_that_waits_for_an_operator() -> None:
    final = {kind.name for kind in KINDS if kind.status in {503, 504} and not kind.retryable}
    assert final == {"record-untrusted"}
