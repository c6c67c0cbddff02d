"""Addresses of servers as URLs: taken apart, and refused in sentences that repeat no part of a password.

A client library reads more into a URL than its documentation says, and two libraries read different things into the
same one. So the settings accept one form, which all of them read alike.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_PARTS = re.compile(r"(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<options>[^#;]*))?")
_CREDENTIALS = re.compile(r"(?:[^\s/?#\[\]@%:]|%[0-9A-Fa-f]{2})*(?::(?:[^\s/?#\[\]@%:]|%[0-9A-Fa-f]{2})*)?")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\],]+)(?::(?P<port>[0-9]{1,5}))?")
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """The parts of a URL.

    Attributes:
        scheme: as it was written.
        credentials: `user:password`, each percent-encoded; empty without any.
        hosts: host, or host:port, of each server that is named.
        path: without its leading slash.
        options: what stands behind the question mark, decoded, in its order.
    """

    scheme: str
    credentials: str
    hosts: tuple[str, ...]
    path: str
    options: tuple[tuple[str, str], ...]


def parse_server_url(name: str, url: str, *, form: str) -> ServerUrl:
    """Returns the parts of a URL.

    Args:
        name: the setting that holds it, for the messages.
        url: as it was given.
        form: an example, for the messages.

    Raises:
        ValueError: one sentence, without any part of the URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise ValueError(f"{name} begins with no scheme; write {form}.")
    parts = _PARTS.fullmatch(rest)
    if parts is None:
        raise ValueError(_malformed(name, form))
    credentials, _, hosts = parts["authority"].rpartition("@")
    path = parts["path"] or ""
    if "@" in path or not _CREDENTIALS.fullmatch(credentials) or not are_hosts(hosts):
        raise ValueError(_malformed(name, form))
    options = parse_qsl(parts["options"] or "", keep_blank_values=True)
    return ServerUrl(scheme, credentials, tuple(hosts.split(",")), path.removeprefix("/"), tuple(options))


def are_hosts(text: str) -> bool:
    """Returns whether a text is a list of hosts, each with or without a port, separated by commas."""
    found = [_HOST.fullmatch(host) for host in text.split(",")]
    return all(host is not None and int(host["port"] or 1) in range(1, _HIGHEST_PORT + 1) for host in found)


def check_web_url(name: str, url: str) -> str:
    """Returns the URL of something that is read over HTTP.

    Raises:
        ValueError: one sentence, without any part of the URL.
    """
    parts = parse_server_url(name, url, form="https://host/path")
    if parts.scheme not in {"http", "https"} or len(parts.hosts) > 1:
        raise ValueError(f"{name} is no http:// or https:// URL; write https://host/path.")
    return url


def _malformed(name: str, form: str) -> str:
    return (
        f"{name} cannot be read; write {form}, with each of / ? # [ ] @ : % in a user name or password "
        "percent-encoded (/ as %2F), or keep these in a credentials file, where they stand as they are."
    )


def read_credentials(name: str, path: Path) -> str:
    """Returns the `user:password` that a file holds, percent-encoded as a URL takes them.

    The password is all that follows the first colon; only the end of the line does not belong to it.

    Args:
        name: the setting that names the file, for the messages.
        path: of the file.

    Raises:
        ValueError: one sentence: the file cannot be read or holds something else.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{name}: {path} cannot be read as text.") from error
    line = content.removesuffix("\n").removesuffix("\r")
    user, colon, password = line.partition(":")
    if not colon or not password or not line.isprintable():
        raise ValueError(f"{name}: {path} does not hold one line user:password.")
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


def with_credentials(url: str, credentials: str) -> str:
    """Returns the URL with the credentials in it, unchanged if it names some already or is a local socket's.

    >>> with_credentials("rediss://redis:6380/0", "web:a%2Fb")
    'rediss://web:a%2Fb@redis:6380/0'
    """
    scheme, separator, rest = url.partition("://")
    if not separator or "@" in rest or scheme == "unix":
        return url
    return f"{scheme}://{credentials}@{rest}"


def without_credentials(url: str) -> str:
    """Returns the URL without user name and password, to be shown.

    >>> without_credentials("redis://user:secret@example.org:6379/0")
    'redis://example.org:6379/0'
    """
    return re.sub(r"//[^/]*@", "//", url)
