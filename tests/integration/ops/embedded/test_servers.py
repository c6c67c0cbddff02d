import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pymongo
import redis
from confluent_kafka import Consumer, Producer

from ops.embedded.kafka import kafka
from ops.embedded.valkey import valkey
from ops.processes.ports import accepts, free_port


def test_valkey_appends_and_never_evicts(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_valkey_keeps_data_over_a_restart(tmp_path: Path) -> None:
    with valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
        client.set("kept", "1")
    with valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"1"


def test_mongo_stores_and_finds_a_document(mongo_url: str) -> None:
    with pymongo.MongoClient(mongo_url) as client:
        documents = client["servers"].get_collection(
            "documents", write_concern=pymongo.WriteConcern(w="majority", j=True)
        )
        documents.replace_one({"_id": "a"}, {"_id": "a", "value": 1}, upsert=True)
        assert documents.find_one({"_id": "a"}) == {"_id": "a", "value": 1}


def test_kafka_delivers_on_the_port_it_was_given(tmp_path: Path) -> None:
    port = free_port()
    with kafka(tmp_path, port=port, topics=["given"]) as bootstrap:
        assert bootstrap == f"127.0.0.1:{port}"
        for topic in ("given", "created.on.use"):
            reports: list[object] = []
            producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
            producer.produce(topic, b"value", key=b"key", on_delivery=lambda error, _: reports.append(error))  # noqa: B023
            producer.flush(10)
            assert reports == [None]
            consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
            consumer.subscribe([topic])
            message = consumer.poll(15)
            consumer.close()
            assert message is not None
            assert message.error() is None
            assert (message.key(), message.value()) == (b"key", b"value")


def test_a_server_dies_when_its_starter_is_killed(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "import sys, time; from pathlib import Path; from ops.embedded.valkey import valkey\n"
        f"with valkey(Path({str(tmp_path)!r}), port={port}): print('up', flush=True); time.sleep(60)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    with starter.stdout:
        assert starter.stdout.readline() == b"up\n"
    assert accepts(port)
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 5
    while accepts(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not accepts(port)
