"""The end of a rotation of the message key says the end only when it can know."""

import time

import pytest
import redis
from click.testing import CliRunner, Result

from ml.domain.label import Label
from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from ops.commands.credentials.reseal import command
from security.keys import generate_secret
from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode_redis import RedisSafeMode

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
    assert "Nothing in Redis waits under MESSAGE_PREVIOUS_KEY." in done.output
