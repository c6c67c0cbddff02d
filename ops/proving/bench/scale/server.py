"""Bytes per transaction in Redis and over the network, from the server's own counters."""

from dataclasses import dataclass
from typing import Any

from redis import Redis

from ml.stores.decisions.keys_redis import decision_key
from ops.errors import OpsError

_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class ServerCounters:
    """Bytes held, received and sent so far."""

    memory: int
    received: int
    sent: int

    @classmethod
    def read(cls, server: "Redis") -> "ServerCounters":
        """Returns the counters of a server now."""
        info: Any = server.info()
        return cls(int(info["used_memory"]), int(info["total_net_input_bytes"]), int(info["total_net_output_bytes"]))

    def since(self, earlier: "ServerCounters", transactions: int) -> dict[str, float]:
        """Returns the bytes per transaction since an earlier reading."""
        return {
            "memory_bytes": (self.memory - earlier.memory) / transactions,
            "received_bytes": (self.received - earlier.received) / transactions,
            "sent_bytes": (self.sent - earlier.sent) / transactions,
        }


def decision_record_bytes(server: "Redis") -> float:
    """Returns the mean memory of a decision record, key included.

    Raises:
        OpsError: there is none.
    """
    sizes: list[int] = []
    for key in server.scan_iter(match=decision_key("*"), count=1_000):
        sizes.append(int(server.memory_usage(key) or 0))
        if len(sizes) == _SAMPLE:
            break
    if not sizes:
        raise OpsError("There is no decision record to measure.")
    return sum(sizes) / len(sizes)
