"""Answers that a Redis lost although the rest of its data is there, found and written again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from zlib import crc32

import orjson
import pytest
import redis

from ml.domain.transaction import Transaction
from ml.stores.decisions.decision_seal import DecisionSeal
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.decisions.keys_redis import decision_key
from ml.stores.features.features_redis import RedisFeatureStore, entity_key
from ml.stores.outbox.keys_redis import OUTBOX
from ml.stores.redis.server_redis import ServerCommands
from ops.embedded.valkey import valkey
from security.messages.message_signer import MessageSigner
from tasks.losses.dataset_memory import StateFile
from tasks.losses.dataset_name_redis import DATASET_ID, server_data
from tasks.losses.lost_answers_redis import OLD_COPY_SECONDS, AnswersServer, LossReport, LostAnswers
from tasks.losses.recent_answers import RecentAnswers
from tests.contracts.decision_store import new_decision
from tests.seals import DECISION_SEAL, EVENT_SEAL, NAME_SEAL
from tests.valkey_cluster import wait_for

_TTL_SECONDS = 86_400


def payment_decision(name: str, *, fingerprint: str | None = None) -> NewDecision:
    """Returns the decision of a payment of the one customer at the one terminal."""
    payment = Transaction(
        transaction_id=name,
        timestamp=1_800_000_000 + crc32(name.encode()) % 1_000,
        customer_id="c",
        terminal_id="t",
        amount="10",
        currency="EUR",
        channel="pos",
    )
    return replace(
        new_decision(name, fingerprint=fingerprint or payment.fingerprint()), transaction=orjson.dumps(payment.wire())
    )


@dataclass
class Process:
    """A scoring process: it answers over one connection and looks over another."""

    url: str
    folder: Path
    now: float = 1_000.0
    reports: list[LossReport] = field(default_factory=list)
    doorbells: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = redis.Redis.from_url(self.url)
        self.decisions = RedisDecisionStore(
            self.client,
            record_ttl_seconds=_TTL_SECONDS,
            outbox_limit=100_000,
            seal=DECISION_SEAL,
            event_seal=EVENT_SEAL,
        )
        self.histories = RedisFeatureStore(ServerCommands(self.client))
        self.recent = RecentAnswers(clock=lambda: self.now)
        self.lost = LostAnswers(
            AnswersServer(self.client, server_data(self.client, NAME_SEAL), self.histories),
            self.decisions,
            self.recent,
            file=StateFile(self.folder / "answers.json"),
            record_ttl_seconds=_TTL_SECONDS,
            on_loss=self.reports.append,
            send_doorbells=lambda *groups: self.doorbells.extend(groups),
            clock=lambda: self.now,
        )

    def answer(self, *names: str) -> None:
        entries = [payment_decision(name) for name in names]
        self.histories.observe([Transaction.model_validate(orjson.loads(entry.transaction)) for entry in entries])
        self.decisions.commit(entries, Reply(None, "b", {}))
        self.recent.note(entries)

    def held_histories(self) -> list[bytes | None]:
        return [self.client.get(entity_key(kind, name)) for kind, name in (("customer", "c"), ("terminal", "t"))]

    def outbox(self) -> list[str]:
        return [fields[b"id"].decode() for _, fields in self.client.xrange(OUTBOX)]


@dataclass
class Pair:
    """A master and the server that can take over from it."""

    master: str
    other: str

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.master)

    def copy(self) -> None:
        """Gives the other server the data as it is now; from then on it lags."""
        self._follow(self.other, self.master)

    def fail_over(self) -> None:
        """Puts the copy in the master's place, at the master's address."""
        self._follow(self.master, self.other)

    def _follow(self, follower: str, leader: str) -> None:
        with redis.Redis.from_url(follower) as client, redis.Redis.from_url(leader) as source:
            kwargs = source.connection_pool.connection_kwargs
            source.config_set("repl-diskless-sync-delay", 0)
            client.execute_command("REPLICAOF", kwargs["host"], kwargs["port"])
            wait_for(lambda: client.info("replication").get("master_link_status") == "up", what="the copy")
            client.execute_command("REPLICAOF", "NO", "ONE")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        valkey(tmp_path_factory.mktemp("master")) as master,
        valkey(tmp_path_factory.mktemp("other")) as other,
    ):
        yield Pair(master, other)


@pytest.fixture
def pair(servers: Pair) -> Pair:
    servers.client().flushall()
    return servers


@pytest.fixture
def start(pair: Pair, tmp_path: Path) -> Callable[[], Process]:
    return lambda: Process(pair.master, tmp_path)


Start = Callable[[], Process]


def test_what_a_replica_lacked_when_it_took_over_is_declared_and_written_again(pair: Pair, start: Start) -> None:
    process = start()
    process.answer("t-1", "t-2")
    process.lost.check()
    pair.copy()
    process.answer("t-3", "t-4")
    process.lost.check()
    pair.fail_over()
    assert process.outbox() == ["t-1", "t-2"]
    process.lost.check()
    assert process.reports == [LossReport(restored=2)]
    assert process.outbox() == ["t-1", "t-2", "t-3", "t-4"]
    assert all(record is not None for record in process.decisions.find_many(["t-1", "t-2", "t-3", "t-4"]))
    assert process.decisions.find_many(["t-4"])[0].decision["transaction_id"] == "t-4"
    process.lost.check()
    assert len(process.reports) == 1


def test_the_histories_hold_the_payments_of_lost_answers_again_as_if_nothing_had_been_lost(
    pair: Pair, start: Start
) -> None:
    process = start()
    process.answer("t-1", "t-2")
    process.lost.check()
    pair.copy()
    process.answer("t-3", "t-4")
    process.lost.check()
    whole = process.held_histories()
    pair.fail_over()
    assert process.held_histories() != whole
    for _ in range(3):  # the checks that follow count nothing twice
        process.lost.check()
        assert process.held_histories() == whole
    assert process.reports == [LossReport(restored=2)]


def test_a_payment_that_its_client_sent_again_meanwhile_is_not_counted_twice(pair: Pair, start: Start) -> None:
    process = start()
    process.answer("t-1")
    process.lost.check()
    pair.copy()
    process.answer("t-2")
    pair.fail_over()
    process.answer("t-2")
    whole = process.held_histories()
    process.lost.check()
    assert process.held_histories() == whole


def test_a_history_that_cannot_take_its_payment_again_is_counted_and_the_answer_is_back(
    pair: Pair, start: Start
) -> None:
    process = start()
    process.answer("t-1")
    process.lost.check()
    pair.copy()
    process.answer("t-2")
    pair.fail_over()
    process.client.set(entity_key("customer", "c"), b"a layout of another version")
    process.lost.check()
    assert process.reports == [LossReport(restored=1, unobserved=1)]
    assert process.outbox() == ["t-1", "t-2"]


def test_a_takeover_that_lacked_nothing_is_no_loss(pair: Pair, start: Start) -> None:
    process = start()
    process.lost.check()
    process.answer("t-1")
    pair.copy()
    pair.fail_over()
    for _ in range(3):
        process.lost.check()
        process.now += 1
    assert process.reports == []
    assert process.outbox() == ["t-1"]


def test_answers_that_went_to_the_old_server_for_a_moment_are_found_too(pair: Pair, start: Start) -> None:
    process = start()
    process.lost.check()
    pair.copy()
    pair.fail_over()
    process.lost.check()
    process.recent.note([payment_decision("late")])
    process.now += 1
    process.lost.check()
    assert process.reports == [LossReport(restored=1)]
    assert process.outbox() == ["late"]
    assert process.doorbells == ["explain", "publish"]


def test_an_answer_that_was_given_otherwise_meanwhile_is_lost_for_good(pair: Pair, start: Start) -> None:
    process = start()
    process.lost.check()
    pair.copy()
    process.answer("t-1")
    pair.fail_over()
    process.decisions.commit([payment_decision("t-1", fingerprint="0" * 32)], Reply(None, "b", {}))
    process.lost.check()
    assert process.reports == [LossReport(lost=("t-1",))]


def test_an_emptied_server_is_no_old_copy(start: Start) -> None:
    process = start()
    process.lost.check()
    process.answer("long-ago")
    process.now += OLD_COPY_SECONDS + 1
    process.answer("just-now")
    process.client.flushall()
    process.client.set(DATASET_ID, "another")
    process.lost.check()
    assert process.reports == [LossReport(restored=2, is_old_copy=False)]


@pytest.mark.parametrize("garble", [("SET", DATASET_ID, "x"), ("RPUSH", DATASET_ID, "x")])
def test_an_old_copy_is_found_though_somebody_wrote_over_the_name_of_the_data(
    pair: Pair, start: Start, garble: tuple[str, ...]
) -> None:
    process = start()
    process.lost.check()
    pair.copy()
    process.answer("long-ago")
    process.now += OLD_COPY_SECONDS + 1
    process.answer("just-now")
    pair.fail_over()
    process.client.delete(DATASET_ID)
    process.client.execute_command(*garble)
    process.lost.check()
    assert process.reports == [LossReport(restored=2, is_old_copy=True)]


def test_an_old_copy_is_told_from_a_lagging_replica(pair: Pair, start: Start) -> None:
    process = start()
    process.lost.check()
    pair.copy()
    process.answer("long-ago")
    process.now += OLD_COPY_SECONDS + 1
    process.answer("just-now")
    pair.fail_over()
    process.lost.check()
    assert process.reports == [LossReport(restored=2, is_old_copy=True)]


def test_a_process_that_starts_after_the_takeover_misses_what_the_one_before_it_answered(
    pair: Pair, start: Start
) -> None:
    before = start()
    before.lost.check()
    before.answer("t-1")
    pair.copy()
    before.answer("t-2")
    before.lost.check()
    pair.fail_over()
    after = start()
    after.lost.check()
    assert after.reports == [LossReport(lost=("t-2",))]
    # Once it is reported, the next start has nothing to say.
    again = start()
    again.lost.check()
    assert again.reports == []


@pytest.mark.parametrize(
    ("gone", "is_old_copy"),
    [((0,), False), ((1,), False), ((3,), False), ((0, 3), False), ((2, 3), True), ((0, 2, 3), True)],
)
def test_an_old_copy_lacks_all_that_came_after_it(
    start: Start,
    tmp_path: Path,
    gone: tuple[int, ...],
    is_old_copy: bool,  # noqa: FBT001 - a parameter
) -> None:
    before = start()
    names = [f"t-{number}" for number in range(4)]
    before.answer(*names)
    step = OLD_COPY_SECONDS + 1
    times = [time.time() - step * (len(names) - place) for place in range(len(names))]
    samples = [{"transaction_id": name, "answered_at": at} for name, at in zip(names, times, strict=True)]
    StateFile(tmp_path / "answers.json").write(samples)
    before.client.delete(*(decision_key(names[place]) for place in gone))
    after = start()
    after.lost.check()
    assert after.reports == [LossReport(lost=tuple(names[place] for place in gone), is_old_copy=is_old_copy)]


def test_a_start_with_another_key_misses_no_record_that_is_there(start: Start, tmp_path: Path) -> None:
    process = start()
    before = RedisDecisionStore(
        process.client,
        record_ttl_seconds=_TTL_SECONDS,
        outbox_limit=100_000,
        seal=DecisionSeal(MessageSigner(b"o" * 32)),
        event_seal=EVENT_SEAL,
    )
    before.commit([payment_decision("t-1"), payment_decision("t-2")], Reply(None, "b", {}))
    assert process.decisions.find_many(["t-1", "t-2"]) == [None, None]
    now = time.time()
    samples = [{"transaction_id": "t-1", "answered_at": now - 100}, {"transaction_id": "t-2", "answered_at": now}]
    StateFile(tmp_path / "answers.json").write(samples)
    process.lost.check()
    assert process.reports == []


def test_a_start_misses_no_record_that_has_outlived_its_time(start: Start, tmp_path: Path) -> None:
    samples = [{"transaction_id": "t-old", "answered_at": time.time() - _TTL_SECONDS}]
    StateFile(tmp_path / "answers.json").write(samples)
    process = start()
    process.lost.check()
    assert process.reports == []


def test_a_server_that_was_started_again_without_its_last_second_gets_it_back(tmp_path: Path) -> None:
    port, folder = 0, tmp_path / "server"
    folder.mkdir()
    with valkey(folder, port=port) as url:
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        process = Process(url, tmp_path)
        process.answer("t-1")
        process.lost.check()
    process.recent.note([payment_decision("t-2")])  # answered, and not on the disk when the power went
    with valkey(folder, port=port):
        process.lost.check()
        assert process.reports == [LossReport(restored=1)]
        assert process.outbox() == ["t-1", "t-2"]
