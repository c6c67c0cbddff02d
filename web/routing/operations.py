"""Operations: one declaration per route, from which routing, guards and the OpenAPI document are all made.

A blueprint declares `@operation(blueprint, Operation(...))` over a view; the view gets a `Call` whose caller, body and
parameters have passed every check, and returns a response.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from pydantic import BaseModel

from ml.domain.scoring_batch import ScoringRequest
from security.admission.admission import NO_LOAD, Admission, AdmissionOutcome, Load
from security.roles import Role
from security.tokens.token_claims import Identity
from web.entrance.batcher import AdmissionResult
from web.http.answers import HttpAnswer
from web.http.errors import MalformedJsonError, WebError
from web.http.exchange import Exchange, exchange_of
from web.http.json_body import check_media_type, parse_json, validate
from web.http.parameters import read_path, read_query
from web.http.problems import Kind
from web.protection.load_shedding import SHEDDABLE_ROLES
from web.routing import guards
from web.services import Services, services_of


class BodyLimit(StrEnum):
    """Which of the configured body limits a route has."""

    SINGLE = "single"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A successful answer: its model, or None for one that is not JSON, and examples by name.

    `links` names operations that the answer leads to, with the runtime expressions of their path parameters.
    """

    description: str
    model: type[BaseModel] | None = None
    status: int = 200
    content_type: str = "application/json"
    example: Mapping[str, Any] | None = None
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one route.

    Attributes:
        name: the operation id.
        method: GET or POST.
        path: as OpenAPI writes it, `/predictions/{transaction_id}`.
        role: the role a caller needs; None makes the route public, without any check.
        other_role: a role that opens the route as well.
        signed: whether the request must be signed. Only signed requests pass replay check and rate limit.
        body: the model of the JSON body; None if there is none to send.
        query: the model of the query parameters.
        path_parameters: the model of the path parameters.
        answer: the success.
        other_answers: answers with another status that are no problems.
        problems: the kinds this operation adds to those its guards can answer.
        transactions: names the transactions of a body whose recorded decisions the view asks for, and the customer of
            each.
        load: what a body takes of the rate limits beside one request.
        scoring: returns the body's scoring request if only the guards stand in its way; its message may then be sent
            with the admission.
    """

    name: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    answer: Answer
    role: Role | None = None
    other_role: Role | None = None
    signed: bool = True
    body: type[BaseModel] | None = None
    body_limit: BodyLimit = BodyLimit.SINGLE
    body_example: Mapping[str, Any] | None = None
    query: type[BaseModel] | None = None
    path_parameters: type[BaseModel] | None = None
    other_answers: tuple[Answer, ...] = ()
    problems: tuple[Kind, ...] = ()
    transactions: Callable[[Any], Mapping[str, str]] = lambda _body: {}
    load: Callable[[Services, Any], Load] = lambda _services, _body: NO_LOAD
    scoring: Callable[[Services, Any], ScoringRequest | None] = lambda _services, _body: None

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles of which a caller needs one; none for a public route."""
        return tuple(role for role in (self.role, self.other_role) if role is not None)


_UNASKED = AdmissionResult(Admission(AdmissionOutcome.ADMITTED), {})
"""The admission result of a request that needs no admission."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed its checks; `body`, `query` and `path` are of the models that the operation names.

    `admitted` is the admission result, with the records of the transactions that the operation names.
    """

    services: Services
    exchange: Exchange
    identity: Identity | None
    body: Any = None
    query: Any = None
    path: Any = None
    admitted: AdmissionResult = _UNASKED

    @property
    def subject(self) -> str:
        """The caller's subject; only protected operations have one."""
        if self.identity is None:
            raise LookupError("a public operation has no caller")
        return self.identity.subject


View = Callable[[Call], HttpAnswer]


@dataclass(frozen=True, slots=True)
class _Content:
    """The parsed content of a request, or the error that `refuse_if_invalid` raises."""

    body: Any = None
    query: Any = None
    path: Any = None
    error: WebError | None = None
    load: Load = NO_LOAD
    transactions: Mapping[str, str] = field(default_factory=dict)
    scoring: ScoringRequest | None = None

    def refuse_if_invalid(self) -> None:
        """Does nothing if the content could be parsed.

        Raises:
            WebError: it could not.
        """
        if self.error is not None:
            raise self.error


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation and the view that answers it once its checks have passed."""

    declared: Operation
    view: View

    def answer(self, services: Services, exchange: Exchange, path: Mapping[str, str]) -> HttpAnswer:
        """Answers a request, if the process has room for it.

        Raises:
            Exception: of the first check that fails, or of the view; `web.http.errors` lists how each is answered.
        """
        if self.declared.role not in SHEDDABLE_ROLES:
            return self._answer(services, exchange, path)
        services.shedder.enter()
        try:
            return self._answer(services, exchange, path)
        finally:
            services.shedder.leave()

    def _answer(self, services: Services, exchange: Exchange, path: Mapping[str, str]) -> HttpAnswer:
        """Checks size, token, role, timestamp, signature, replay, rate limit, content, in this order; then answers.

        Raises:
            Exception: of the first check that fails, or of the view; `web.http.errors` lists how each is answered.
        """
        declared = self.declared
        limit = _limit(declared, services)
        exchange.check_declared_size(limit)
        identity = None
        if declared.role is not None:
            identity = guards.authenticate(services, exchange, declared.role, other_role=declared.other_role)
        # Only now: nobody without a token makes us read a body. That of chunks shows its size while it is read.
        raw = exchange.read_body(limit)
        signature = None
        if identity is not None and declared.signed and services.certificates is None:
            signature = guards.check_signature(services, exchange, identity, body=raw)
        # Admission needs device and transactions, so the content is parsed before it; by the order of the checks,
        # invalid content is refused after it.
        content = _parse(declared, services, exchange, raw=raw, path=path)
        admitted = _UNASKED
        if identity is not None and declared.signed:
            admitted = guards.admit(
                services,
                exchange,
                identity=identity,
                signature=signature,
                load=content.load,
                transactions=content.transactions,
                scoring=content.scoring,
            )
        content.refuse_if_invalid()
        return self.view(Call(services, exchange, identity, content.body, content.query, content.path, admitted))


def operation(blueprint: Blueprint, declared: Operation) -> Callable[[View], View]:
    """Registers a view as an operation of a blueprint."""

    def register(view: View) -> View:
        endpoint = Endpoint(declared, view)

        @wraps(view)
        def answer(**path: str) -> Response:
            return flask_response(endpoint.answer(services_of(current_app), exchange_of(request.environ), path))

        answer.endpoint = endpoint  # type: ignore[attr-defined]  # read back by `endpoints_of`
        rule = declared.path.replace("{", "<").replace("}", ">")
        blueprint.add_url_rule(rule, endpoint=declared.name, view_func=answer, methods=[declared.method])
        return view

    return register


def endpoints_of(app: Flask) -> Iterator[Endpoint]:
    """Yields the endpoints of an app, in the order of its routes."""
    for rule in app.url_map.iter_rules():
        endpoint = getattr(app.view_functions[rule.endpoint], "endpoint", None)
        if isinstance(endpoint, Endpoint):
            yield endpoint


def flask_response(answer: HttpAnswer) -> Response:
    """Returns an answer as Flask passes it on."""
    return Response(answer.body, answer.status, headers=dict(answer.headers), content_type=answer.content_type)


def _limit(declared: Operation, services: Services) -> int:
    settings = services.settings
    batch = declared.body_limit is BodyLimit.BATCH
    return settings.batch_body_limit_bytes if batch else settings.body_limit_bytes


def _parse(
    declared: Operation, services: Services, exchange: Exchange, *, raw: bytes, path: Mapping[str, str]
) -> _Content:
    try:
        checked_path = read_path(declared.path_parameters, path)
        query = read_query(declared.query, exchange.query_string)
        body = _parse_body(declared, exchange, raw)
    except WebError as error:
        return _Content(error=error)
    return _Content(
        body,
        query,
        checked_path,
        load=declared.load(services, body),
        transactions=declared.transactions(body),
        scoring=declared.scoring(services, body),
    )


def _parse_body(declared: Operation, exchange: Exchange, raw: bytes) -> BaseModel | None:
    if declared.body is None:
        if raw:
            raise MalformedJsonError("This route takes no body.")
        return None
    if not raw:
        raise MalformedJsonError("The body is missing: send one JSON object, with Content-Type: application/json.")
    check_media_type(exchange.content_type, exchange.header("Content-Encoding"))
    return validate(declared.body, parse_json(raw))
