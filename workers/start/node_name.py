"""A worker's node name is its own on this machine, as long as it lives.

The name is more than a label: drains read their unacknowledged entries by it, and signs of life and self-tests are told
apart by it. Two workers of one name would deliver each other's entries a second time and hide each other's end. Names
hold the host's name, so only workers of one machine can clash, by the same `--number`.
"""

import errno
import hashlib
import socket

from settings.server_urls import without_credentials


class NodeNameTakenError(Exception):
    """Another worker of this machine has the name, on the same broker."""


def claim(name: str, broker_url: str) -> socket.socket:
    """Returns a socket that stands for the name: the kernel lets go of it when the process ends, however it ends.

    Raises:
        NodeNameTakenError: a living worker has the name.
    """
    digest = hashlib.sha256(f"{without_credentials(broker_url)}\n{name}".encode()).hexdigest()
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(
            f"\0shrike-worker-{digest[:40]}"
        )  # in the kernel's own name space: no file that could be left behind
    except OSError as error:
        holder.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise NodeNameTakenError(
            f"a worker named {name} runs on this machine already; give this one another --number"
        ) from error
    return holder
