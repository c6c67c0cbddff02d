"""`/openapi.json` and `/docs`: the description of this API, for machines and for people. Public, like the code.

`/` leads to `/docs`, because it is what people open first.
"""

from http import HTTPStatus
from importlib import resources
from typing import Any, Final

import orjson
from flask import Blueprint, Flask, Response, current_app
from werkzeug.exceptions import NotFound

blueprint = Blueprint("documentation", __name__)

_EXTENSION: Final = "shrike-openapi"
_CONTENT_TYPES: Final = {
    "docs.html": "text/html; charset=utf-8",
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def provide_document(app: Flask, document: dict[str, Any]) -> None:
    """Makes the document the one this app serves."""
    app.extensions[_EXTENSION] = orjson.dumps(document)


@blueprint.get("/")
def entrance() -> Response:
    """Sends a browser to the page; a client that follows no redirect sees where it is."""
    return Response(status=HTTPStatus.FOUND, headers={"Location": "/docs"}, content_type="text/plain; charset=utf-8")


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Returns the OpenAPI document."""
    return Response(current_app.extensions[_EXTENSION], content_type="application/json")


@blueprint.get("/docs")
def docs() -> Response:
    """Returns the page that renders the OpenAPI document."""
    return _asset("docs.html")


@blueprint.get("/docs/<name>")
def docs_asset(name: str) -> Response:
    """Returns a file that the page loads."""
    if name not in _CONTENT_TYPES:
        raise NotFound
    return _asset(name)


def _asset(name: str) -> Response:
    content = resources.files("web").joinpath("static", name).read_bytes()
    return Response(content, content_type=_CONTENT_TYPES[name])
