"""The Flask application: services, hooks, blueprints, errors."""

import logging
from functools import partial

from flask import Flask, Response, request

from observability.flask_hooks import annotate, instrument
from settings import Settings
from web import problems
from web.blueprints import admin, documentation, explanations, health, labels, metrics, predictions
from web.errors import problem_of
from web.guards import rate_limit_headers
from web.headers import add_security_headers
from web.openapi import openapi_document
from web.operations import operations_of
from web.services import Services, provide_services
from web.wiring import build_services

log = logging.getLogger(__name__)

_RESOURCES = (predictions, explanations, labels, admin, health, metrics, documentation)


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
    app.register_error_handler(Exception, _answer_error)
    for resource in _RESOURCES:
        app.register_blueprint(resource.blueprint)
    documentation.provide_document(app, openapi_document(operations_of(app)))
    return app


def _answer_error(error: Exception) -> Response:
    problem = problem_of(error)
    annotate(problem=problem.kind.name)
    if problem.kind is problems.INTERNAL:
        log.error("unexpected error", exc_info=error)
    return problem.response()


def _add_headers(settings: Settings, response: Response) -> Response:
    response.headers.update(rate_limit_headers())
    add_security_headers(response, over_tls=request.is_secure or settings.tls_terminated_by_proxy)
    if settings.perf_mode:
        response.headers["X-Perf-Mode"] = "on"
    return response
