"""The Flask application: services, hooks, blueprints, errors."""

import logging
from functools import partial
from typing import Any

from flask import Flask, Response, g, request

from observability.flask_hooks import instrument, request_facts
from settings import Settings
from web.blueprints import admin, documentation, explanations, health, labels, metrics, predictions
from web.http import problems
from web.http.answers import HttpAnswer, problem_answer
from web.http.errors import problem_of
from web.http.exchange import Exchange
from web.http.headers import security_headers
from web.routing.direct import DirectRoutes, extra_headers, is_over_tls
from web.routing.openapi import openapi_document
from web.routing.operations import endpoints_of, flask_response
from web.services import Services, provide_services, services_of
from web.wiring import build_services

log = logging.getLogger(__name__)

_RESOURCES = (predictions, explanations, labels, admin, health, metrics, documentation)
_HTML = "text/html"


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """Returns the application; it connects to nothing before its first request.

    Args:
        settings: of this process.
        services: what the views work with; built from the settings if absent.

    Raises:
        security.errors.KeyUnusableError: a key in the settings is missing or weak.
    """
    app = Flask("shrike", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # A request is answered at the very path that was signed, or not at all: no redirect to a tidier one.
    app.url_map.merge_slashes = False
    provide_services(app, services if services is not None else build_services(settings))
    instrument(app)
    app.after_request(partial(_add_headers, settings))
    app.register_error_handler(Exception, lambda error: flask_response(_answer_error(error, request_facts())))
    for resource in _RESOURCES:
        app.register_blueprint(resource.blueprint)
    endpoints = list(endpoints_of(app))
    documentation.provide_document(app, openapi_document(endpoint.declared for endpoint in endpoints))
    app.wsgi_app = DirectRoutes(  # type: ignore[method-assign]  # Flask's own way of putting a middleware before itself
        app.wsgi_app, endpoints, settings=settings, services=lambda: services_of(app), answer_error=_answer_error
    )
    return app


def _answer_error(error: Exception, facts: dict[str, Any]) -> HttpAnswer:
    problem = problem_of(error)
    facts["problem"] = problem.kind.name
    if problem.kind is problems.INTERNAL:
        log.error("unexpected error", exc_info=error)
    return problem_answer(problem)


def _add_headers(settings: Settings, response: Response) -> Response:
    exchange: Exchange | None = g.get("exchange")
    if exchange is not None:
        response.headers.update(exchange.rate_limit_headers())
    over_tls = is_over_tls(request.environ, settings)
    response.headers.update(security_headers(page=response.mimetype == _HTML, over_tls=over_tls))
    response.headers.update(extra_headers(settings))
    return response
