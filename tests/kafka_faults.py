"""librdkafka's mock cluster in the test's own process, with the errors that it can be told to answer with.

`ops.embedded.kafka` serves the same mock from a process of its own; its faults can only be ordered from within.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import confluent_kafka


class Api(IntEnum):
    """Requests of the Kafka protocol that a fault may meet."""

    PRODUCE = 0
    FETCH = 1
    INIT_PRODUCER_ID = 22


class MockCluster:
    """One broker.

    Attributes:
        bootstrap: its address.
    """

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self._library = library
        self._handle = ctypes.c_void_p(handle)
        self.bootstrap = str(library.rd_kafka_mock_cluster_bootstraps(self._handle).decode())

    def answer(self, api: Api, *errors: int) -> None:
        """Makes the next requests of a kind fail with these errors, one each."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._handle, ctypes.c_int16(api), ctypes.c_size_t(len(errors)), codes
        )

    def clear(self, api: Api) -> None:
        """Takes back the errors that were not met."""
        self._library.rd_kafka_mock_clear_request_errors(self._handle, ctypes.c_int16(api))

    def create(self, topic: str, *, partitions: int = 1) -> None:
        """Creates a topic."""
        assert not self._library.rd_kafka_mock_topic_create(self._handle, topic.encode(), partitions, 1)

    def break_topic(self, topic: str, error: int) -> None:
        """Lists a topic with an error from now on; 0 mends it."""
        self._library.rd_kafka_mock_topic_set_error(self._handle, topic.encode(), ctypes.c_int(error))

    def lead(self, topic: str, partition: int, *, has_leader: bool) -> None:
        """Gives a partition a leader, or takes it away."""
        leader = ctypes.c_int32(1 if has_leader else -1)
        assert not self._library.rd_kafka_mock_partition_set_leader(self._handle, topic.encode(), partition, leader)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Serves on a free loopback port until the end of the block."""
    library = ctypes.CDLL(str(_library_file()))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(512)
    client = ctypes.c_void_p(library.rd_kafka_new(0, ctypes.c_void_p(library.rd_kafka_conf_new()), error, 512))
    handle = library.rd_kafka_mock_cluster_new(client, 1)
    # From the next versions on, an answer names the present leader, and the mock crashes where there is none.
    for api, highest in ((Api.PRODUCE, 9), (Api.FETCH, 11)):
        versions = (ctypes.c_int16(number) for number in (api, 0, highest))
        assert not library.rd_kafka_mock_set_apiversion(ctypes.c_void_p(handle), *versions)
    try:
        yield MockCluster(library, handle)
    finally:
        library.rd_kafka_mock_cluster_destroy(ctypes.c_void_p(handle))
        library.rd_kafka_destroy(client)


def _library_file() -> Path:
    package = Path(confluent_kafka.__file__).parent
    return next((package.parent / "confluent_kafka.libs").glob("librdkafka*"))
