"""librdkafka's mock cluster through ctypes: one broker that advertises a port of our choice.

The mock listens on a random port. It advertises another one, where `ops.embedded.forwarder` listens and passes every
connection on.

Source: rdkafka_mock.h of the librdkafka that the confluent-kafka wheel carries.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path

from ops.errors import ServerStartError

PARTITIONS = 4
"""Partitions of a topic, as many as the mock gives to a topic that it creates on first use."""

_PRODUCER = 0
_ONLY_BROKER = 1
_ERROR_TEXT_BYTES = 512


def _library() -> ctypes.CDLL:
    """Loads the librdkafka that belongs to the confluent-kafka wheel, with the signatures used here."""
    import confluent_kafka

    package = Path(confluent_kafka.__file__).parent
    found = sorted((package.parent / "confluent_kafka.libs").glob("librdkafka*")) or sorted(
        (package / ".dylibs").glob("librdkafka*")
    )
    if not found:
        raise ServerStartError("The installed confluent-kafka carries no librdkafka; install it from its wheel.")
    library = ctypes.CDLL(str(found[0]))
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_broker_set_host_port.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int32,
        ctypes.c_char_p,
        ctypes.c_int,
    ]
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_mock_topic_create.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    return library


def start_cluster(*, host: str, port: int, topics: Sequence[str]) -> int:
    """Starts the mock broker in threads of this process and returns the port it really listens on.

    The broker advertises `host` and `port` to clients. It runs until the process ends.

    Raises:
        ops.errors.ServerStartError: librdkafka is missing or refuses.
    """
    library = _library()
    error = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
    client = library.rd_kafka_new(_PRODUCER, library.rd_kafka_conf_new(), error, _ERROR_TEXT_BYTES)
    if not client:
        raise ServerStartError(f"librdkafka did not start: {error.value.decode(errors='replace')}.")
    cluster = library.rd_kafka_mock_cluster_new(client, 1)
    if not cluster:
        raise ServerStartError("librdkafka did not start its mock cluster.")
    # Read before the advertised address changes: this one is where the mock listens.
    listens_on: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
    library.rd_kafka_mock_broker_set_host_port(cluster, _ONLY_BROKER, host.encode(), port)
    # A first consumer need not wait three seconds for others to join its group.
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    for topic in topics:
        if library.rd_kafka_mock_topic_create(cluster, topic.encode(), PARTITIONS, 1):
            raise ServerStartError(f"The mock cluster did not create the topic {topic}.")
    return int(listens_on.decode().rsplit(":", 1)[1])
