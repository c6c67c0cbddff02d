"""MESSAGE_KEY changes under load: processes of neighbouring steps work together, and nothing is refused or lost."""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from click.testing import CliRunner, Result

from ml.domain.label import Label
from ml.stores.labels.label_inbox_redis import LABELS, RedisLabelInbox
from ops.client import Client
from ops.commands.credentials.reseal import command
from security.keys import generate_secret
from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode_redis import RedisSafeMode
from tasks.upkeep.queue_status import live_names
from tasks.wiring.connections import Connections
from tasks.wiring.stores import accepted_version, label_store
from tests.integration.web.conftest import running_api
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works, settings_of, wait_until

_DATABASE = 13
_REQUESTS = 40


def step(works: Works, folder: Path, key: str, previous: str | None = None) -> Works:
    """Returns the place as processes of one step of a rotation see it."""
    env = works.env | {
        "REDIS_URL": f"{works.settings.redis_url.rsplit('/', 1)[0]}/{_DATABASE}",
        "MONGO_DATABASE": f"rotation_{folder.parent.name[-8:]}",
        "MESSAGE_KEY": key,
        "SCORE_TIMEOUT_MS": "10000",
    }
    env |= {} if previous is None else {"MESSAGE_PREVIOUS_KEY": previous}
    folder.mkdir()
    return Works(folder, env, settings_of(env))


def reseal_after_step_one(workers: ExitStack, client: redis.Redis) -> Result:
    """Returns what resealing says once the worker of step 1 has ended; before, it refuses."""
    early = CliRunner().invoke(command)
    assert early.exit_code != 0
    assert "score-1@" in str(early.exception)
    assert "score-2@" not in str(early.exception)
    workers.close()
    wait_until(
        lambda: not any(name.startswith("score-1@") for name in live_names(client, lambda *_: True)),
        what="the worker of step 1 to be gone",
    )
    return CliRunner().invoke(command)


def test_processes_of_both_middle_steps_serve_each_other_and_nothing_is_lost(
    works: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = generate_secret(), generate_secret()
    before = step(works, tmp_path / "before", old)
    both_old = step(works, tmp_path / "both_old", old, new)
    both_new = step(works, tmp_path / "both_new", new, old)
    after = step(works, tmp_path / "after", new)
    before.client.flushdb()
    # What the old key sealed, and lasts: the switch, the mark, and a label that was answered 202.
    switch = RedisSafeMode(before.client, MessageSigner(old.encode()))
    switch.enable("drill", "a")
    switch.disable("admin")
    early = Label(transaction_id="early", label="fraud", source="test", labelled_at=time.time() - 60)
    RedisLabelInbox(before.client, MessageSigner(old.encode())).accept([(early, "corr-early")])
    labelled = ["early"]
    statuses: Counter[tuple[str, int]] = Counter()
    lock = threading.Lock()

    def load(client: Client) -> None:
        for _ in range(_REQUESTS):
            payment = transaction(transaction_id=uuid4().hex)
            answer = client.post(SCORE, payment)
            label = {"transaction_id": payment["transaction_id"], "label": "fraud", "source": "test"}
            label["labelled_at"] = time.time()
            labelling = client.post("/labels", label)
            with lock:
                statuses[SCORE, answer.status] += 1
                statuses["/labels", labelling.status] += 1
                labelled.append(payment["transaction_id"])

    with ExitStack() as processes, ExitStack() as of_step_one:
        of_step_one.enter_context(both_old.worker("score"))
        processes.enter_context(both_new.worker("score"))
        apis = [processes.enter_context(running_api(place, SCORE_TIMEOUT_MS="10000")) for place in (both_old, both_new)]
        clients = [processes.enter_context(api.client()) for api in apis]
        threads = [threading.Thread(target=load, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == {(SCORE, 200): 2 * _REQUESTS, ("/labels", 202): 2 * _REQUESTS}

        for name, value in both_new.env.items():
            monkeypatch.setenv(name, value)
        waiting = reseal_after_step_one(of_step_one, both_new.client)
        assert waiting.exit_code != 0
        assert "labels" in str(waiting.exception)
        assert "the SAFE MODE record" in waiting.output

        processes.enter_context(both_new.worker("labels"))
        with Connections(both_new.settings) as connections:
            stored = label_store(connections)
            wait_until(lambda: len(stored.find_many(labelled)) == len(labelled), what="every label to be stored")
        wait_until(lambda: not both_new.client.xlen(LABELS), what="the label stream to be trimmed")
        assert not both_new.client.xlen("shrike:dead:labels")

    # Its sinks take no part in this, and records end by themselves.
    both_new.client.delete("shrike:outbox", *both_new.client.scan_iter(match="shrike:decision:*"))
    assert CliRunner().invoke(command).exit_code == 0
    # The last step: without the old key everything that lasts is still believed.
    assert not RedisSafeMode(after.client, MessageSigner(new.encode())).read().enabled
    with Connections(after.settings) as connections:
        assert accepted_version(connections).read() is not None
    after.client.flushdb()
