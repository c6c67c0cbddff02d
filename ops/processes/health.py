"""Asks a process over HTTP whether it is ready."""

import http.client

from ops.processes.ports import LOOPBACK

_TIMEOUT_SECONDS = 2.0


def answers_ok(port: int, path: str, *, host: str = LOOPBACK) -> bool:
    """Whether GET of the path answers 200 now; any failure to answer counts as no."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
