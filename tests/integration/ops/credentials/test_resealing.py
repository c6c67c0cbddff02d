"""The end of a rotation of the message key says the end only when it can know."""

import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import redis
from click.testing import CliRunner, Result
from pydantic import SecretStr

from ml.domain.label import Label
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from ml.stores.outbox.event_seal import EventSeal
from ml.stores.outbox.keys_redis import OUTBOX
from ops.commands.credentials.reseal import command
from ops.credentials.sealed_records_redis import RecordCount, count_records
from security.keys import generate_secret
from security.messages.message_signer import MessageSigner
from security.messages.stored_seal import StoredSeal
from security.safe_mode.safe_mode_redis import RedisSafeMode
from settings import Settings
from tasks.losses.dataset_name import NameSeal
from tasks.upkeep.queue_status import SIGN_OF_LIFE, WorkerStatus, forget_worker, show_worker
from tasks.wiring.connections import Connections
from tasks.wiring.losses import loss_reports, named_data
from tests.contracts.decision_store import new_decision

OLD, NEW, WRONG = (generate_secret() for _ in range(3))


class Rotation:
    """A Redis with a label and a SAFE MODE record that the old key sealed."""

    def __init__(self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self._monkeypatch = client, monkeypatch
        kwargs = client.connection_pool.connection_kwargs
        monkeypatch.setenv("REDIS_URL", f"redis://{kwargs['host']}:{kwargs['port']}/{kwargs['db']}")
        signer = MessageSigner(OLD.encode())
        label = Label(transaction_id="t-1", label="fraud", source="analyst", labelled_at=time.time() - 60)
        assert RedisLabelInbox(client, signer).accept([(label, "corr")])
        RedisSafeMode(client, signer).enable("a test", by="alice")

    def reseal(self, key: str, previous: str | None) -> Result:
        self._monkeypatch.setenv("MESSAGE_KEY", key)
        self._monkeypatch.setenv("MESSAGE_PREVIOUS_KEY", previous or "")
        return CliRunner().invoke(command)


@pytest.fixture
def rotation(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Rotation:
    return Rotation(redis_client, monkeypatch)


@pytest.mark.parametrize("keys", [(OLD, None), (NEW, None), (NEW, NEW)])
def test_a_shell_without_both_keys_is_told_so(rotation: Rotation, keys: tuple[str, str | None]) -> None:
    done = rotation.reseal(*keys)
    assert done.exit_code == 1
    assert "Set MESSAGE_KEY to the new key and MESSAGE_PREVIOUS_KEY to the old one" in str(done.exception)


def test_another_key_than_the_one_before_is_found_by_what_neither_sealed(rotation: Rotation) -> None:
    done = rotation.reseal(NEW, WRONG)
    assert done.exit_code == 1
    assert "has sealed the SAFE MODE record" in str(done.exception)
    RedisSafeMode(rotation.client, MessageSigner(NEW.encode())).enable("now ours", by="alice")
    done = rotation.reseal(NEW, WRONG)
    assert done.exit_code == 1
    assert "Sealed by neither key, and given up by every drain: 1 labels" in done.output


def show(client: redis.Redis, name: str, key: str) -> None:
    show_worker(client, WorkerStatus(name, "score", "v1", 1.0), StoredSeal(MessageSigner(key.encode()), SIGN_OF_LIFE))


def test_while_a_worker_signs_with_the_previous_key_nothing_is_sealed_anew(rotation: Rotation) -> None:
    rotation.client.delete(LABELS)
    for name, key in (("score-1@vm", OLD), ("score-2@vm", NEW), ("made-up@vm", WRONG)):
        show(rotation.client, name, key)
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 1
    assert "still run score-1@vm. Take steps 1 and 2 of docs/key-rotation.md first" in str(done.exception)
    assert "the API and beat, which give no sign of life" in str(done.exception)
    assert "Sealed anew" not in done.output
    assert RedisSafeMode(rotation.client, MessageSigner(OLD.encode())).read().reason == "a test"
    assert rotation.client.hlen("shrike:workers") == 3
    # The way out: the worker runs with the new key.
    show(rotation.client, "score-1@vm", NEW)
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 0
    assert "The API and beat give no sign of life: make sure" in done.output


def test_a_worker_that_has_stopped_or_was_killed_keeps_nobody_from_resealing(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation.client.delete(LABELS)
    show(rotation.client, "score-1@vm", OLD)
    forget_worker(rotation.client, "score-1@vm")
    monkeypatch.setattr("tasks.upkeep.queue_status.SHARED_CLOCK.now", lambda: time.time() - 60)
    show(rotation.client, "score-2@vm", OLD)
    assert rotation.reseal(NEW, OLD).exit_code == 0


def test_what_waits_is_counted_and_what_stays_is_sealed_anew(rotation: Rotation) -> None:
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 1
    assert done.output.endswith("Sealed anew: the SAFE MODE record.\n")
    assert "Still sealed with MESSAGE_PREVIOUS_KEY: 1 labels" in str(done.exception)
    rotation.client.delete(LABELS)
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 0
    assert "Nothing in Redis waits under MESSAGE_PREVIOUS_KEY: it may go." in done.output


@pytest.mark.parametrize("shards", [(), ("a", "b")])
def test_names_of_data_and_notes_of_losses_are_sealed_anew_on_every_server(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch, shards: tuple[str, ...]
) -> None:
    rotation.client.delete(LABELS)
    kwargs = rotation.client.connection_pool.connection_kwargs
    host = f"redis://{kwargs['host']}:{kwargs['port']}"
    urls = {shard: f"{host}/{kwargs['db'] + place}" for place, shard in enumerate(shards, start=1)}
    monkeypatch.setenv("SCORE_SHARD_URLS", orjson.dumps(urls).decode())
    settings = Settings(_env_file=None, redis_url=f"{host}/{kwargs['db']}", score_shard_urls=urls)

    def found(key: str) -> list[tuple[str, str | None]]:
        """Returns each name and note as a holder of one key alone opens it."""
        own = settings.model_copy(update={"message_key": SecretStr(key), "message_previous_key": None})
        seals = {kind: NameSeal(MessageSigner(key.encode()), f"dataset.{kind}") for kind in ("name", "loss_reported")}
        opened = []
        with Connections(own) as connections:
            for place in [own, *(own.model_copy(update={"shard": shard}) for shard in shards)]:
                client = connections.redis(place.delivery_url)
                for name in client.scan_iter(match="shrike:dataset_id:*"):
                    seal = seals["name" if name.endswith(b":sealed") else "loss_reported"]
                    opened.append((f"{place.shard} {name.decode()}", seal.open(name.decode(), client.get(name))))
        return sorted(opened)

    old = settings.model_copy(update={"message_key": SecretStr(OLD)})
    with Connections(old) as connections:
        for shard in shards:
            connections.redis(urls[shard]).flushdb()
        for place in [old, *(old.model_copy(update={"shard": shard}) for shard in shards)]:
            for data in named_data(connections.of(place)).values():
                data.name(None)
            for note in loss_reports(connections.of(place)).values():
                note.run_once("lost", lambda: None)
    before = found(OLD)
    assert len(before) == (2 + 3 * len(shards))
    assert all(name is not None for _, name in before)
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 0, done.exception
    assert found(NEW) == before
    assert "Sealed anew" not in rotation.reseal(NEW, OLD).output


def test_records_under_the_previous_key_are_counted_with_their_end(rotation: Rotation) -> None:
    rotation.client.delete(LABELS)
    for signer, name in ((OLD, "old"), (NEW, "new"), (WRONG, "foreign")):
        key = MessageSigner(signer.encode())
        records = RedisDecisionStore(
            rotation.client,
            record_ttl_seconds=90_000,
            outbox_limit=9,
            seal=DecisionSeal(key),
            event_seal=EventSeal(key),
        )
        records.commit([new_decision(name)], Reply(None, "b", {}))
    rotation.client.delete(OUTBOX)
    rotation.client.set(decision_key("garbage"), "x")
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 1
    end = datetime.now(UTC) + timedelta(seconds=90_000)
    assert "1 decision records are still sealed with MESSAGE_PREVIOUS_KEY; the last one ends at" in str(done.exception)
    assert f"{end:%Y-%m-%d}" in str(done.exception)
    rotation.client.delete(decision_key("old"))
    assert rotation.reseal(NEW, OLD).exit_code == 0


def test_a_count_that_is_not_whole_is_no_end(redis_client: redis.Redis) -> None:
    redis_client.mset({decision_key(f"t-{number}"): "x" for number in range(1_200)})
    never = {"by_current": lambda *_: False, "by_either": lambda *_: False}
    assert not count_records(redis_client, most=500, **never).is_whole
    assert count_records(redis_client, **never) == RecordCount()
