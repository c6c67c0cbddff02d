"""Redis URLs: one server or a cluster, with and without credentials."""

import re
from pathlib import Path

SERVER_SCHEMES = ("redis://", "rediss://", "unix://")
CLUSTER_MARK = "+cluster://"

_CREDENTIALS = re.compile(r"[a-z][a-z0-9-]{0,31}:[A-Za-z0-9_-]{16,128}", re.ASCII)
_CLUSTER_URL = re.compile(r"(rediss?)\+cluster://([^@/?]*@)?([^@/?,]+:\d+(?:,[^@/?,]+:\d+)*)/?(\?.*)?")


def cluster_node_urls(url: str) -> list[str]:
    """Returns one `redis://` or `rediss://` URL per node that a cluster's URL names; none if it is no cluster's."""
    match = _CLUSTER_URL.fullmatch(url)
    if match is None:
        return []
    scheme, credentials, nodes, options = match.groups(default="")
    return [f"{scheme}://{credentials}{node}{options}" for node in nodes.split(",")]


def read_credentials(path: Path) -> str:
    """Returns the `user:password` that a file holds.

    Raises:
        ValueError: the file cannot be read or holds something else.
    """
    try:
        content = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"REDIS_CREDENTIALS_FILE {path} cannot be read.") from error
    if not _CREDENTIALS.fullmatch(content):
        raise ValueError(f"REDIS_CREDENTIALS_FILE {path} does not hold one line user:password.")
    return content


def with_credentials(url: str, credentials: str) -> str:
    """Returns the URL with the credentials in it, unchanged if it names some already or is a local socket's."""
    scheme, separator, rest = url.partition("://")
    if not separator or "@" in rest or scheme == "unix":
        return url
    return f"{scheme}://{credentials}@{rest}"
