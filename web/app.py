"""The Flask application: services, blueprints, errors, and the way past Flask."""

from flask import Flask, request

from settings import Environment, Settings
from web.blueprints import admin, documentation, explanations, health, labels, metrics, predictions, status
from web.http.exchange import exchange_of
from web.protection.outages import Outages
from web.routing.direct import DirectRoutes
from web.routing.error_answers import ErrorAnswers
from web.routing.finish import Finish
from web.routing.openapi import openapi_document
from web.routing.operations import endpoints_of, flask_response
from web.routing.spelling import Spellings
from web.services import Services, provide_services, services_of
from web.wiring import build_services

_RESOURCES = (predictions, explanations, labels, admin, health, metrics, status, documentation)


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """Returns the application; it connects to nothing before its first request.

    Args:
        settings: of this process.
        services: used by the views; built from the settings if absent.

    Raises:
        security.errors.KeyUnusableError: a key in the settings is missing or weak.
    """
    app = Flask("shrike", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # A request is answered at the very path that was signed, or not at all: no redirect to a tidier one.
    app.url_map.merge_slashes = False
    provide_services(app, services if services is not None else build_services(settings))
    app.before_request(_note_route)
    for resource in _RESOURCES:
        app.register_blueprint(resource.blueprint)
    spellings = Spellings(rule.rule.replace("<", "{").replace(">", "}") for rule in app.url_map.iter_rules())
    outages = Outages()
    answer_error = ErrorAnswers(spellings, outages, explains=settings.environment is Environment.DEVELOPMENT)
    app.register_error_handler(
        Exception, lambda error: flask_response(answer_error(error, exchange_of(request.environ)))
    )
    endpoints = list(endpoints_of(app))
    documentation.provide_document(app, openapi_document((endpoint.declared for endpoint in endpoints), settings))
    app.wsgi_app = DirectRoutes(  # type: ignore[method-assign]  # Flask's own way of putting a middleware before itself
        app.wsgi_app,
        endpoints,
        finish=Finish(settings, outages),
        services=lambda: services_of(app),
        answer_error=answer_error,
    )
    return app


def _note_route() -> None:
    if request.url_rule is not None:
        exchange_of(request.environ).route = request.url_rule.rule
