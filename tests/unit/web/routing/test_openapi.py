from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.unit.web.world import World
from web.routing.operations import endpoints_of

UNDOCUMENTED = {"/", "/openapi.json", "/docs", "/docs/<name>"}


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
        [scheme] = operation["security"]
        assert scheme["bearer"] == [guarded.role.value]
        assert ("signature" in scheme) == ("timestamp" in scheme) == guarded.signed
        assert {"401", "403"} <= set(operation["responses"])


def test_only_metrics_and_public_routes_are_unsigned(world: World) -> None:
    declared = [item.declared for item in endpoints_of(world.app)]
    unsigned = {operation.path for operation in declared if operation.role and not operation.signed}
    public = {operation.path for operation in declared if operation.role is None}
    assert unsigned == {"/metrics"}
    assert public == {"/health/live", "/health/ready"}


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
