"""The end of a rotation of the message key says the end only when it can know."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import redis
from click.testing import CliRunner, Result

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
from security.safe_mode.safe_mode_redis import RedisSafeMode
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


def test_what_waits_is_counted_and_what_stays_is_sealed_anew(rotation: Rotation) -> None:
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 1
    assert done.output.endswith("Sealed anew: the SAFE MODE record.\n")
    assert "Still sealed with MESSAGE_PREVIOUS_KEY: 1 labels" in str(done.exception)
    rotation.client.delete(LABELS)
    done = rotation.reseal(NEW, OLD)
    assert done.exit_code == 0
    assert "Nothing in Redis waits under MESSAGE_PREVIOUS_KEY: it may go." in done.output


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
