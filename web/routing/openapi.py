"""The OpenAPI 3.1 document, made of the operations that the app really has and the models that really check them."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from settings import Settings
from web.http import problems
from web.http.problems import Kind
from web.http.schemas.decisions import ProblemAnswer
from web.protection.load_shedding import SHEDDABLE_ROLES
from web.routing.openapi_callers import Callers, callers_of, life_of_decisions
from web.routing.operations import Answer, Operation

OPENAPI_VERSION = "3.1.0"
API_VERSION = "1"
_REFERENCE = "#/components/schemas/{model}"

_BEGINNING = """\
Realtime fraud scoring. Post a transaction and get back approve, review or decline, the score and its reasons."""
_END = "Errors are `application/problem+json` (RFC 9457)."

_CORRELATION_HEADER = {"description": "The request's id, yours if it was acceptable.", "schema": {"type": "string"}}
_RETRY_HEADER = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}


def openapi_document(operations: Iterable[Operation], settings: Settings) -> dict[str, Any]:
    """Returns the document of an app's operations, as the settings have them."""
    declared, callers = list(operations), callers_of(settings)
    paths: dict[str, dict[str, Any]] = {}
    for operation in declared:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, callers)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Shrike",
            "version": API_VERSION,
            "description": "\n\n".join((_BEGINNING, callers.description, life_of_decisions(settings), _END)),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.tag for operation in declared)],
        "paths": paths,
        "components": {"schemas": _schemas(declared), "securitySchemes": dict(callers.schemes)},
        "x-problems": [
            {"name": kind.name, "type": kind.type, "status": kind.status, "title": kind.title, "meaning": kind.meaning}
            for kind in problems.KINDS
        ],
    }


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    requests: dict[type[BaseModel], None] = {}
    answers: dict[type[BaseModel], None] = {ProblemAnswer: None}
    for operation in operations:
        if operation.body is not None:
            requests[operation.body] = None
        for answer in (operation.answer, *operation.other_answers):
            if answer.model is not None:
                answers[answer.model] = None
    models = [(model, "validation") for model in (*requests, *answers)]
    _, definitions = models_json_schema(models, ref_template=_REFERENCE)  # type: ignore[arg-type] # a mode is a literal
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _operation(operation: Operation, callers: Callers) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": callers.security(operation.roles, signed=operation.signed),
        "responses": _responses(operation, callers),
    }
    if operation.role is not None:
        document["x-role"] = " or ".join(role.value for role in operation.roles)
    if parameters := [*_parameters(operation.path_parameters, "path"), *_parameters(operation.query, "query")]:
        document["parameters"] = parameters
    if operation.body is not None:
        content = {"schema": _reference(operation.body)} | (
            {"example": operation.body_example} if operation.body_example is not None else {}
        )
        document["requestBody"] = {"required": True, "content": {"application/json": content}}
    return document


def _parameters(model: type[BaseModel] | None, place: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(ref_template=_REFERENCE)
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": place, "required": name in required, "schema": _plain(member, definitions)}
        for name, member in schema["properties"].items()
    ]


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a parameter's schema without null, which no parameter can be, and with its references resolved."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
        return _plain({**choices[0], **rest}, definitions)
    if "$ref" in schema:
        return {**definitions[schema["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in schema.items() if k != "$ref"}}
    return dict(schema)


def _responses(operation: Operation, callers: Callers) -> dict[str, Any]:
    responses = {str(answer.status): _answer(answer) for answer in (operation.answer, *operation.other_answers)}
    kinds: dict[int, list[Kind]] = {}
    for kind in _problem_kinds(operation, callers):
        if kind not in kinds.setdefault(kind.status, []):
            kinds[kind.status].append(kind)
    for status, alike in sorted(kinds.items()):
        responses.setdefault(str(status), _problem(alike))
    return responses


def _problem_kinds(operation: Operation, callers: Callers) -> Iterable[Kind]:
    """Yields the problems that the guards of an operation can answer, then its own."""
    yield problems.BODY_TOO_LARGE
    yield problems.REQUEST_TIMEOUT
    yield problems.MALFORMED_JSON
    if operation.role is not None:
        yield from (problems.UNAUTHENTICATED, problems.ROLE_MISSING)
        if operation.role in SHEDDABLE_ROLES:
            yield problems.OVERLOADED
        if operation.signed:
            yield from (*callers.signature_problems, problems.RATE_LIMITED, problems.UNAVAILABLE)
    if operation.body is not None:
        yield from (problems.UNSUPPORTED_MEDIA_TYPE, problems.INVALID_BODY)
    if operation.query is not None or operation.path_parameters is not None:
        yield problems.INVALID_PARAMETER
    yield from operation.problems
    yield problems.INTERNAL


def _answer(answer: Answer) -> dict[str, Any]:
    if answer.model is None:
        content: dict[str, Any] = {"schema": {"type": "string"}}
    else:
        content = {"schema": _reference(answer.model)}
        if answer.example is not None:
            content["example"] = answer.example
    links = {name: {"operationId": name, "parameters": dict(parameters)} for name, parameters in answer.links.items()}
    return {
        "description": answer.description,
        "headers": {"X-Correlation-ID": _CORRELATION_HEADER},
        "content": {answer.content_type: content},
    } | ({"links": links} if links else {})


def _problem(kinds: list[Kind]) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Correlation-ID": _CORRELATION_HEADER}
    if kinds[0].status == 429 or any(kind.retryable for kind in kinds):
        headers[problems.RETRY_AFTER] = _RETRY_HEADER
    return {
        "description": " ".join(f"`{kind.name}`: {kind.meaning}" for kind in kinds),
        "headers": headers,
        "content": {problems.CONTENT_TYPE: {"schema": _reference(ProblemAnswer)}},
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
