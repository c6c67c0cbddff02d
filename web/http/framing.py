"""Errors in the framing of a body. A module of its own: gunicorn's master imports it, and must import little else."""

from gunicorn.http.errors import ParseException


class TooManyChunksError(ParseException):  # type: ignore[misc] # gunicorn publishes no types
    """The body came in too many chunks; send fewer and larger ones, or all of it with a Content-Length."""
