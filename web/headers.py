"""Security headers of every answer."""

from typing import Final

from flask import Response

# The documentation page loads its own files and talks to its own origin; everything else needs nothing at all.
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_HTML: Final = "text/html"

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_security_headers(response: Response, *, over_tls: bool) -> None:
    """Sets the headers; HSTS only where the request came over TLS, because elsewhere browsers must ignore it."""
    response.headers.update(_ALWAYS)
    page = response.mimetype == _HTML
    response.headers["Content-Security-Policy"] = _PAGE_POLICY if page else _API_POLICY
    if over_tls:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
