"""Redis URLs: one server or a cluster, in the one form that redis-py, kombu and RedBeat read alike.

Left to themselves they differ: kombu takes the database from the path alone and redis-py from `?db=` first; to redis-py
an option such as `ssl_cert_reqs=none` counts more than what the platform asks for.
"""

import re

from settings.server_urls import ServerUrl, parse_server_url

SERVER_SCHEMES = ("redis", "rediss")
SOCKET_SCHEME = "unix"
CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")

_FORM = "redis://host:port/0, with TLS rediss://host:port/0"
_CLUSTER_FORM = "redis+cluster://host:port,host:port"
_DATABASE = re.compile(r"[0-9]{1,5}", re.ASCII)
_CHECKED = frozenset({"required", "cert_required"})
_INSTEAD = {
    "ssl_ca_certs": "REDIS_CA_FILE",
    "ssl_certfile": "REDIS_CERTIFICATE_FILE",
    "ssl_keyfile": "REDIS_KEY_FILE",
    "username": "REDIS_CREDENTIALS_FILE",
    "password": "REDIS_CREDENTIALS_FILE",  # nosec B105
    "socket_timeout": "REDIS_SOCKET_TIMEOUT_SECONDS",
    "socket_connect_timeout": "REDIS_SOCKET_TIMEOUT_SECONDS",
}
_SOCKET_URL = re.compile(r"unix://(/[^?#\s@]+)(?:\?db=([0-9]{1,5}))?")


def cluster_node_urls(url: str) -> list[str]:
    """Returns one `redis://` or `rediss://` URL per node that a cluster's URL names; none if it is no cluster's."""
    scheme, _, rest = url.partition("://")
    if scheme not in CLUSTER_SCHEMES:
        return []
    credentials, at, nodes = rest.rpartition("@")
    return [f"{scheme.removesuffix('+cluster')}://{credentials}{at}{node}" for node in nodes.split(",")]


def one_server(name: str, url: str) -> str:
    """Returns the URL of one server in its one form.

    Args:
        name: the setting that holds it, for the messages.
        url: as it was given; `?db=2` becomes the path, and an option that asks for what is always done is left out.

    Raises:
        ValueError: one sentence, without any part of a password.
    """
    scheme = url.partition("://")[0]
    if scheme in CLUSTER_SCHEMES:
        raise ValueError(f"{name} names a cluster, and only FEATURE_REDIS_URL may.")
    if scheme == SOCKET_SCHEME:
        raise ValueError(f"{name} names a local socket, which Celery's broker cannot be; write {_FORM}.")
    parts = _parse(name, url, form=_FORM)
    if len(parts.hosts) > 1:
        raise ValueError(f"{name} names several servers; write {_FORM}.")
    credentials = f"{parts.credentials}@" if parts.credentials else ""
    return f"{parts.scheme}://{credentials}{parts.hosts[0]}/{_database(name, parts)}"


def feature_store(url: str) -> str:
    """Returns the URL of the feature store, one server or a cluster, in its one form.

    Raises:
        ValueError: one sentence, without any part of a password.
    """
    name = "FEATURE_REDIS_URL"
    scheme = url.partition("://")[0]
    if scheme == SOCKET_SCHEME:
        if not (socket := _SOCKET_URL.fullmatch(url)):
            raise ValueError(f"{name} names a local socket in no readable form; write unix:///path/of/socket?db=0.")
        return f"unix://{socket[1]}?db={int(socket[2] or 0)}"
    if scheme not in CLUSTER_SCHEMES:
        return one_server(name, url)
    parts = _parse(name, url, form=_CLUSTER_FORM)
    if parts.path or any(option == "db" for option, _ in parts.options):
        raise ValueError(f"{name} names a database, and a cluster has none; write {_CLUSTER_FORM}.")
    if not all(re.search(r":[0-9]+\Z", host) for host in parts.hosts):
        raise ValueError(f"{name} names a node of the cluster without its port; write {_CLUSTER_FORM}.")
    credentials = f"{parts.credentials}@" if parts.credentials else ""
    return f"{scheme}://{credentials}{','.join(parts.hosts)}"


def _parse(name: str, url: str, *, form: str) -> ServerUrl:
    parts = parse_server_url(name, url, form=form)
    if parts.scheme == "sentinel" or parts.scheme.endswith("+sentinel"):
        raise ValueError(
            f"{name} names a Redis Sentinel, which is not supported; write {form} with an address that follows the "
            "failover."
        )
    if parts.scheme not in (*SERVER_SCHEMES, *CLUSTER_SCHEMES):
        raise ValueError(f"{name} has the scheme {parts.scheme}://, and Redis has none such; write {form}.")
    for option, value in parts.options:
        _check_option(name, option, value)
    return parts


def _check_option(name: str, option: str, value: str) -> None:
    if option == "db":
        return
    if option == "ssl_cert_reqs":
        if value.lower() in _CHECKED:
            return
        raise ValueError(f"{name} asks not to check the server's certificate; name its authority in REDIS_CA_FILE.")
    shown = option if re.fullmatch(r"[a-z_]{1,40}", option) else "an option"
    instead = f"; set {_INSTEAD[option]} instead" if option in _INSTEAD else ""
    raise ValueError(f"{name} has {shown} behind its question mark, where only db is read{instead}.")


def _database(name: str, parts: ServerUrl) -> int:
    named = {value for option, value in parts.options if option == "db"} | ({parts.path} if parts.path else set())
    if len(named) > 1:
        raise ValueError(f"{name} names one database in its path and another behind ?db=; keep the one in the path.")
    number = named.pop() if named else "0"
    if not _DATABASE.fullmatch(number):
        raise ValueError(f"{name} names a database that is no number; write {_FORM}.")
    return int(number)
