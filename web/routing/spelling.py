"""A path has one spelling; another one never reaches a route.

A proxy in front of the API may guard paths by their text, `/admin/` say. So what servers commonly take for the same
path is none here: `//admin/queues`, `/%61dmin/queues`, `/admin%2Fqueues`, `/x/../admin/queues`. Only characters that
need it may be percent-encoded, as `:` in an id may.
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

# A segment is neither empty nor made of dots alone; RFC 3986, section 2.3, lists what needs no encoding.
_NEEDED = r"%(?!2[dDeEfF]|3[0-9]|4[1-9a-fA-F]|5[0-9aAcCfF]|6[1-9a-fA-F]|7[0-9aAeE])[0-9a-fA-F]{2}"
_SEGMENT = rf"/(?!\.{{1,2}}(?:/|\Z))(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_NEEDED})+"
_PLAIN = re.compile(rf"/|(?:{_SEGMENT})+/?")
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_PARAMETER = re.compile(r"\{[^}]*\}")


def path_of(target: str) -> str:
    """Returns the path of a request target, as it was spelled.

    >>> path_of("/predictions/a%3A1?x=/y"), path_of("http://api.example//docs")
    ('/predictions/a%3A1', '//docs')
    """
    path = target.partition("?")[0]
    if path.startswith("/"):
        return path
    origin = _ORIGIN.match(path)  # the absolute form of RFC 9112, section 3.2.2
    return path if origin is None else path[origin.end() :] or "/"


def is_plain(path: str) -> bool:
    """Whether a path is spelled in the one way that can reach a route.

    >>> [is_plain(path) for path in ("/predictions/a%3A1", "//docs", "/a/../docs", "/%64ocs", "/docs%2Fdocs.js")]
    [True, False, False, False, False]
    """
    return _PLAIN.fullmatch(path) is not None


class Spellings:
    """Finds the route that somebody may have meant.

    Args:
        templates: the paths of all routes, parameters in braces.
    """

    def __init__(self, templates: Iterable[str]) -> None:
        self._templates: Sequence[tuple[re.Pattern[str], str]] = [
            (re.compile("[^/]+".join(map(re.escape, _PARAMETER.split(template))), re.IGNORECASE), template)
            for template in sorted(set(templates))
        ]

    def meant(self, path: str) -> str | None:
        """Returns the template of a route that differs from a path by its spelling alone; None if there is none."""
        segments: list[str] = []
        for segment in unquote(path).split("/"):
            if segment == "..":
                segments = segments[:-1]
            elif segment not in {"", "."}:
                segments.append(segment)
        tidy = "/" + "/".join(segments)
        return next((template for pattern, template in self._templates if pattern.fullmatch(tidy)), None)
