"""Security headers of every answer."""

from collections.abc import Mapping
from functools import cache
from typing import Final

# The documentation page loads its own files and talks to its own origin; everything else needs nothing at all.
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS: Final = {"Strict-Transport-Security": "max-age=31536000"}


@cache
def security_headers(*, page: bool, over_tls: bool) -> Mapping[str, str]:
    """Returns the headers; HSTS only where the request came over TLS, because elsewhere browsers must ignore it.

    Args:
        page: whether the answer is HTML, which loads files; everything else is data.
        over_tls: whether the client speaks TLS, to us or to a proxy before us.
    """
    policy = {"Content-Security-Policy": _PAGE_POLICY if page else _API_POLICY}
    return _ALWAYS | policy | (_HSTS if over_tls else {})
