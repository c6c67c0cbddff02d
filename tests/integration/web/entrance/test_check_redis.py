import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from secrets import token_hex
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from ml.domain.scoring_batch import ScoringRequest
from ml.domain.transaction import Transaction
from ml.stores.decisions.decisions import NewDecision, Reply
from ml.stores.decisions.decisions_redis import RedisDecisionStore
from ml.stores.placements.placements import Placement
from ml.stores.placements.placements_redis import RedisPlacements
from ml.stores.placements.rendezvous import choose
from security.admission.admission import AdmissionOutcome, AdmissionPolicy, AdmissionRequest, Bucket
from security.admission.admission_redis import RedisAdmissionControl, limits_key
from security.errors import AdmissionUnavailableError
from tasks.messaging.messages import SealedMessage
from tests.contracts.admission import asked, policy
from tests.contracts.admission_check import AdmissionCheckContract, Make
from tests.seals import DECISION_SEAL, EVENT_SEAL
from web.entrance.batcher import AdmissionBatcher, AdmissionCall, AdmissionCheck, AdmissionResult
from web.entrance.check_redis import RedisAdmissionCheck
from web.entrance.check_shards_redis import ShardedRedisAdmissionCheck
from web.scoring.early_send import EarlySend, PrepareEarlySend
from web.scoring.scoring_call import ScoringCall

_DEADLINE = 1234.5


@pytest.fixture
def client(valkey_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey_url) as client:
        client.ping()
        yield client


def make_check(
    client: "redis.Redis",
    rules: AdmissionPolicy,
    prepare_early_send: PrepareEarlySend = lambda _request, _deadline: None,
) -> RedisAdmissionCheck:
    return RedisAdmissionCheck(client, RedisAdmissionControl(client, rules), prepare_early_send=prepare_early_send)


class TestRedisAdmissionCheck(AdmissionCheckContract):
    @pytest.fixture
    def make(self, client: "redis.Redis") -> Make:
        self.decisions = RedisDecisionStore(
            client, record_ttl_seconds=60, outbox_limit=10**6, seal=DECISION_SEAL, event_seal=EVENT_SEAL
        )
        return lambda rules: make_check(client, rules)


class TestShardedRedisAdmissionCheck(AdmissionCheckContract):
    """What it finds of old records is the same; every transaction is placed as well."""

    @pytest.fixture
    def make(self, client: "redis.Redis") -> Make:
        self.decisions = RedisDecisionStore(
            client, record_ttl_seconds=60, outbox_limit=10**6, seal=DECISION_SEAL, event_seal=EVENT_SEAL
        )
        return lambda rules: Placing(make_sharded_check(client, rules))


@dataclass
class Placing:
    """Names a customer of every transaction, which the calls of the contract leave out."""

    check: AdmissionCheck

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        return self.check.decide(
            [replace(call, customer_ids=tuple("c" for _ in call.transaction_ids)) for call in calls]
        )


def make_sharded_check(client: "redis.Redis", rules: AdmissionPolicy, *open_shards: str) -> ShardedRedisAdmissionCheck:
    placements = RedisPlacements(client, record_ttl_seconds=60)
    admission = RedisAdmissionControl(client, rules)
    return ShardedRedisAdmissionCheck(client, admission, placements, open_shards=open_shards or ("s1", "s2", "s3"))


def test_transactions_are_placed_by_their_customer_and_stay_there(client: "redis.Redis") -> None:
    names = [token_hex(8) for _ in range(20)]
    customers = [f"c-{number % 7}" for number in range(20)]
    first, second = (
        make_sharded_check(client, policy(), *shards).decide(
            [
                AdmissionCall(asked("a"), tuple(names[:12]), tuple(customers[:12])),
                AdmissionCall(asked("a")),
                AdmissionCall(asked("a"), tuple(names[12:]), tuple(customers[12:])),
            ]
        )
        for shards in (("s1", "s2"), ("s3", "s4"))
    )
    placed = {**first[0].placements, **first[2].placements}
    assert placed == {
        name: Placement(choose(("s1", "s2"), customer), is_new=True)
        for name, customer in zip(names, customers, strict=True)
    }
    assert first[1].placements == {}
    again = {**second[0].placements, **second[2].placements}
    assert again == {name: replace(placement, is_new=False) for name, placement in placed.items()}


def test_admission_and_lookups_of_any_number_of_requests_are_two_commands_at_once(client: "redis.Redis") -> None:
    check = make_check(client, policy(subject=Bucket(5, 1)))
    check.decide([AdmissionCall(asked("warm up"))])
    before = client.info("stats")["total_reads_processed"], client.info("commandstats")
    check.decide([AdmissionCall(asked(token_hex(8)), (token_hex(8), token_hex(8))) for _ in range(20)])
    after = client.info("stats")["total_reads_processed"], client.info("commandstats")

    def calls(command: str) -> int:
        return int(after[1].get(f"cmdstat_{command}", {"calls": 0})["calls"]) - int(
            before[1].get(f"cmdstat_{command}", {"calls": 0})["calls"]
        )

    assert (calls("evalsha"), calls("mget")) == (1, 1)
    assert after[0] - before[0] == 3  # the one round trip and the questions about it


def test_a_server_that_lost_its_scripts_gets_them_again(client: "redis.Redis") -> None:
    check = make_check(client, policy())
    client.script_flush()
    request = asked("a")
    assert check.decide([AdmissionCall(request, ("t",))])[0].admission.admitted
    assert not check.decide([AdmissionCall(request, ("t",))])[0].admission.admitted


def test_an_unreachable_server_admits_nobody() -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_timeout=0.2, retry=None)
    with nowhere, pytest.raises(AdmissionUnavailableError):
        make_check(nowhere, policy()).decide([AdmissionCall(asked("a"), ("t",))])


class LossyLink:
    """Passes connections on to a server; the test cuts them where it hurts most.

    Attributes:
        lose_replies: how many of the next replies to admission calls are lost, with their connection, after the
            server has done the work.
        connections: how many were made.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lose_replies = 0
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            far.settimeout(10)
            while asked := near.recv(1 << 20):
                far.sendall(asked)
                replied = far.recv(1 << 20)
                if b"EVALSHA" in asked and self.lose_replies:
                    self.lose_replies -= 1
                    return
                near.sendall(replied)

    def close(self) -> None:
        self._listener.close()


@contextmanager
def behind_a_lossy_link(url: str) -> Iterator[tuple["redis.Redis", LossyLink]]:
    parts = urlsplit(url)
    link = LossyLink((parts.hostname or "", parts.port or 0))
    retry = Retry(NoBackoff(), 1, (RedisConnectionError,))
    with redis.Redis(port=link.port, db=int(parts.path[1:] or 0), socket_timeout=5, retry=retry) as client:
        yield client, link
    link.close()


def test_a_lost_reply_is_asked_for_again_and_admits_what_was_admitted_once(
    client: "redis.Redis", valkey_url: str
) -> None:
    with behind_a_lossy_link(valkey_url) as (lossy, link):
        check = make_check(lossy, policy(subject=Bucket(10, 0)))
        check.decide([AdmissionCall(asked("warm up"))])
        first, second = asked(f"s-{token_hex(4)}"), asked("b")
        known = asked("c")
        make_check(client, policy()).decide([AdmissionCall(known)])
        link.lose_replies = 1
        outcomes = [
            result.admission.outcome
            for result in check.decide([AdmissionCall(request, ("t",)) for request in (first, first, known, second)])
        ]
        assert outcomes == ["admitted", "replayed", "replayed", "admitted"]
        assert link.connections == 2
        assert client.get(limits_key(first.subject)).split()[0] == b"9"
        again = make_check(client, policy()).decide([AdmissionCall(first), AdmissionCall(second)])
        assert {result.admission.outcome for result in again} == {AdmissionOutcome.REPLAYED}


def test_a_link_that_stays_broken_refuses_and_never_gives_a_signature_back(valkey_url: str) -> None:
    with behind_a_lossy_link(valkey_url) as (lossy, link):
        check = make_check(lossy, policy())
        check.decide([AdmissionCall(asked("warm up"))])
        request = asked("a")
        link.lose_replies = 2
        with pytest.raises(AdmissionUnavailableError):
            check.decide([AdmissionCall(request)])
        assert check.decide([AdmissionCall(request)])[0].admission.outcome is AdmissionOutcome.REPLAYED


def test_under_fire_over_a_lossy_link_every_caller_is_answered_and_no_request_is_admitted_twice(
    valkey_url: str,
) -> None:
    with behind_a_lossy_link(valkey_url) as (lossy, link):
        batcher = AdmissionBatcher(make_check(lossy, policy()), timeout_seconds=10)
        requests = [asked("a") for _ in range(100)]
        admitted: list[str | None] = []
        unanswered = threading.Semaphore(0)

        def client(number: int) -> None:
            for request in requests[number % 2 :: 2]:  # every request is sent by four clients
                if number == 0:
                    link.lose_replies += 1
                try:
                    if batcher.admit(AdmissionCall(request, ("t",))).admission.admitted:
                        admitted.append(request.replay_key)
                except AdmissionUnavailableError:
                    continue
            unanswered.release()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        for _ in threads:
            assert unanswered.acquire(timeout=max(0.0, deadline - time.monotonic())), "a caller was forgotten"
        batcher.close(5)
        assert link.connections > 1
        assert len(admitted) == len(set(admitted))
        assert len(admitted) > 0


@dataclass
class Desk:
    """Prepares a message per request for a queue of the test's own, and remembers whether each was sent."""

    queue: str = field(default_factory=lambda: f"queue-{token_hex(4)}")
    confirmed: list[bool] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)

    def prepare_early_send(self, request: ScoringRequest, deadline: float) -> EarlySend:
        name = request.transaction.transaction_id
        self.deadlines.append(deadline)
        self.asked.append(name)
        return EarlySend(SealedMessage(self.queue, name.encode()), ScoringCall(0.0, [None], 1), self.confirmed.append)


def admission_call(request: AdmissionRequest) -> AdmissionCall:
    transaction = Transaction(
        transaction_id=token_hex(8),
        timestamp=1_700_000_000,
        customer_id="c",
        terminal_id="t",
        amount="1.00",
        currency="EUR",
        channel="pos",
    )
    scoring = ScoringRequest(transaction, transaction.fingerprint(), "correlation")
    return AdmissionCall(request, (transaction.transaction_id,), (transaction.customer_id,), scoring, _DEADLINE)


def test_the_message_of_a_lone_request_leaves_in_the_round_trip_that_admits_it(client: "redis.Redis") -> None:
    desk = Desk()
    check = make_check(client, policy(), desk.prepare_early_send)
    check.decide([admission_call(asked("warm up"))])
    before = client.info("stats")["total_reads_processed"]
    asks = admission_call(asked("a"))
    [result] = check.decide([asks])
    assert client.info("stats")["total_reads_processed"] - before == 2  # the round trip and the question about it
    assert result.admission.admitted
    assert result.scoring_call is not None
    assert client.lrange(desk.queue, 0, -1)[0] == asks.transaction_ids[0].encode()
    assert desk.confirmed == [True, True]
    assert desk.deadlines == [_DEADLINE, _DEADLINE]


def test_a_replayed_request_sends_no_message(client: "redis.Redis") -> None:
    desk = Desk()
    check = make_check(client, policy(), desk.prepare_early_send)
    asks = admission_call(asked("a"))
    first, second = check.decide([asks])[0], check.decide([asks])[0]
    assert (first.admission.outcome, second.admission.outcome) == ("admitted", "replayed")
    assert second.scoring_call is None
    assert client.llen(desk.queue) == 1
    assert desk.confirmed == [True, False]


def test_a_queue_of_another_type_fails_no_admission(client: "redis.Redis") -> None:
    desk = Desk()
    client.set(desk.queue, "x", ex=60)
    [result] = make_check(client, policy(), desk.prepare_early_send).decide([admission_call(asked("a"))])
    assert result.admission.admitted
    assert result.scoring_call is None  # it goes the usual way, and meets the refusal there
    assert desk.confirmed == [False]


def test_a_limited_request_sends_no_message(client: "redis.Redis") -> None:
    desk = Desk()
    check = make_check(client, policy(subject=Bucket(1, 0)), desk.prepare_early_send)
    subject = token_hex(8)
    results = [check.decide([admission_call(asked(subject))])[0] for _ in range(2)]
    assert [result.admission.outcome for result in results] == ["admitted", "limited_subject"]
    assert results[1].scoring_call is None
    assert client.llen(desk.queue) == 1
    assert desk.confirmed == [True, False]


def test_a_transaction_that_was_decided_before_sends_no_message(client: "redis.Redis") -> None:
    desk = Desk()
    asks = admission_call(asked("a"))
    [transaction_id] = asks.transaction_ids
    RedisDecisionStore(
        client, record_ttl_seconds=60, outbox_limit=10**6, seal=DECISION_SEAL, event_seal=EVENT_SEAL
    ).commit([NewDecision(transaction_id, "f" * 32, b"{}", b"{}", b"{}")], Reply(None, "batch", {}))
    [result] = make_check(client, policy(), desk.prepare_early_send).decide([asks])
    assert result.scoring_call is None
    assert transaction_id in result.records
    assert client.llen(desk.queue) == 0
    assert desk.confirmed == [False]


def test_requests_that_come_together_or_without_a_signature_send_nothing_early(client: "redis.Redis") -> None:
    desk = Desk()
    check = make_check(client, policy(), desk.prepare_early_send)
    together = check.decide([admission_call(asked("a")) for _ in range(2)])
    unsigned = check.decide([admission_call(replace(asked("a"), replay_key=None))])
    assert all(result.admission.admitted and result.scoring_call is None for result in (*together, *unsigned))
    assert desk.asked == []


def test_a_message_whose_reply_was_lost_is_sent_again_with_its_request(client: "redis.Redis", valkey_url: str) -> None:
    desk = Desk()
    with behind_a_lossy_link(valkey_url) as (lossy, link):
        check = make_check(lossy, policy(), desk.prepare_early_send)
        check.decide([AdmissionCall(asked("warm up"))])
        link.lose_replies = 1
        asks = admission_call(asked("a"))
        [result] = check.decide([asks])
    assert result.scoring_call is not None
    # Twice the very same message, which a worker takes once.
    assert set(client.lrange(desk.queue, 0, -1)) == {asks.transaction_ids[0].encode()}


def test_a_message_of_uncertain_fate_is_waited_for_by_nobody(valkey_url: str) -> None:
    desk = Desk()
    with behind_a_lossy_link(valkey_url) as (lossy, link):
        check = make_check(lossy, policy(), desk.prepare_early_send)
        check.decide([AdmissionCall(asked("warm up"))])
        link.lose_replies = 2
        with pytest.raises(AdmissionUnavailableError):
            check.decide([admission_call(asked("a"))])
    assert desk.confirmed == [False]
