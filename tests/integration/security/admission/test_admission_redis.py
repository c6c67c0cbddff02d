import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest
import redis

from security.admission.admission import DAY_SECONDS, AdmissionOutcome, Bucket
from security.admission.admission_redis import RedisAdmissionControl, device_key, limits_key, replay_key
from security.errors import AdmissionUnavailableError
from tests.contracts.admission import AdmissionContract, Make, asked, batch, policy

ROOT = Path(__file__).parents[4]


@pytest.fixture
def client(valkey_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


class TestRedisAdmission(AdmissionContract):
    @pytest.fixture
    def make(self, client: "redis.Redis") -> Make:
        return lambda policy: RedisAdmissionControl(client, policy)


def test_every_process_sees_the_same_signatures_and_buckets(client: "redis.Redis", valkey_url: str) -> None:
    rules = policy(subject=Bucket(2, 1))
    subject = token_hex(8)
    with redis.Redis.from_url(valkey_url) as second:
        one, other = RedisAdmissionControl(client, rules), RedisAdmissionControl(second, rules)
        request = asked(subject)
        assert one.admit([request])[0].admitted
        assert other.admit([request])[0].outcome is AdmissionOutcome.REPLAYED
        assert other.admit([asked(subject)])[0].admitted
        assert one.admit([asked(subject)])[0].outcome is AdmissionOutcome.LIMITED_SUBJECT


def test_tokens_come_back_by_the_servers_clock(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy(subject=Bucket(1, 600)))
    subject = token_hex(8)
    assert control.admit([asked(subject)])[0].admitted
    assert not control.admit([asked(subject)])[0].admitted
    time.sleep(0.12)
    assert control.admit([asked(subject)])[0].admitted


def test_every_key_expires(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy(subject=Bucket(10, 60), device=Bucket(10, 0)))
    device, other = token_hex(8), token_hex(8)
    request = asked(token_hex(8), device=device)
    control.admit([request, batch(token_hex(8), transactions=3, devices={other: 3})])
    assert 260_000 < client.pttl(replay_key(request.replay_key, request.subject)) <= 270_000
    assert 1_000 < client.pttl(limits_key(request.subject)) <= 2_000
    assert 86_000_000 < client.pttl(device_key(device)) <= 86_400_000
    assert 86_000_000 < client.pttl(device_key(other)) <= 86_400_000
    assert client.exists("admission:none") == 0


def test_a_clock_set_back_starts_buckets_anew_instead_of_freezing_them(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy(subject=Bucket(1, 1)))
    subject = token_hex(8)
    in_an_hour = int((time.time() + 3600) * 1000)
    client.set(limits_key(subject), f"0.000000 - {in_an_hour}", px=60_000)
    assert control.admit([asked(subject)])[0].admitted


def test_any_number_of_requests_is_one_round_trip(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy(subject=Bucket(5, 1), device=Bucket(5, 1)))
    control.admit([asked("warm up")])
    before = client.info("commandstats")
    control.admit([asked(token_hex(8), device=token_hex(8)) for _ in range(100)])
    after = client.info("commandstats")
    assert after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"] == 1


def test_a_call_repeated_after_a_lost_reply_admits_what_it_had_admitted(client: "redis.Redis") -> None:
    """redis-py repeats a command whose reply never came; the second run must not call the first a replay."""
    control = RedisAdmissionControl(client, policy(subject=Bucket(2, 0)))
    request = asked(token_hex(8))
    run = control._script

    def run_twice(keys: list[str], args: list[str]) -> list[int]:
        run(keys=keys, args=args)
        return run(keys=keys, args=args)

    control._script = run_twice
    first = control.admit([request])[0]
    assert (first.admitted, first.limit, first.remaining) == (True, 2, 1)
    assert first.reset_seconds == DAY_SECONDS  # of a bucket that is not full, and is never refilled
    assert control.admit([asked(request.subject)])[0].admitted
    assert control.admit([request])[0].outcome is AdmissionOutcome.REPLAYED


def test_a_batch_cut_short_by_a_device_is_cut_short_again_when_its_call_is_repeated(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy(device=Bucket(3, 6)))
    run, name = control._script, token_hex(8)
    devices = {f"{name}-busy": 5, f"{name}-calm": 2}
    request = batch(name, transactions=7, devices=devices)

    def run_twice(keys: list[str], args: list[str]) -> list[int]:
        run(keys=keys, args=args)
        return run(keys=keys, args=args)

    control._script = run_twice
    answer = control.admit([request])[0]
    assert answer.admitted
    assert {device: short.admitted for device, short in answer.shortages.items()} == {f"{name}-busy": 3}
    assert control.admit([request])[0].outcome is AdmissionOutcome.REPLAYED


def test_a_device_seen_in_batches_and_singly_has_one_bucket(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy(device=Bucket(1000, 0)))
    subject, device = token_hex(8), token_hex(8)
    short = control.admit([batch(subject, transactions=1000, devices={device: 999, token_hex(8): 1})])[0]
    assert (short.admitted, dict(short.shortages)) == (True, {})
    assert control.admit([asked(subject, device=device)])[0].admitted
    assert control.admit([asked(subject, device=device)])[0].outcome is AdmissionOutcome.LIMITED_DEVICE


def test_an_unreachable_server_admits_nothing() -> None:
    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_timeout=0.2, retry=None)
    with pytest.raises(AdmissionUnavailableError):
        RedisAdmissionControl(nowhere, policy()).admit([asked("a")])


def test_a_server_that_lost_its_scripts_gets_them_again(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy())
    client.script_flush()
    assert control.admit([asked("a")])[0].admitted


def test_a_bucket_under_fire_gives_out_capacity_plus_refill(client: "redis.Redis") -> None:
    capacity, per_minute = 20, 6000  # 100 tokens a second
    control = RedisAdmissionControl(client, policy(subject=Bucket(capacity, per_minute)))
    subject, admitted, deadline = token_hex(8), [], time.monotonic() + 0.5
    started = time.monotonic()

    def fire() -> None:
        while time.monotonic() < deadline:
            admitted.extend(answer for answer in control.admit([asked(subject)]) if answer.admitted)

    threads = [threading.Thread(target=fire) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - started
    # Never more than refilled in the time that passed; a machine that is busy elsewhere may fire less.
    assert capacity < len(admitted) <= capacity + elapsed * per_minute / 60 + 1


_FIRE = """
import sys, time
from secrets import token_hex
import redis
from security.admission.admission_redis import RedisAdmissionControl
from security.admission.admission import Bucket
from tests.contracts.admission import asked, policy

url, subject, device, starts_at = *sys.argv[1:4], float(sys.argv[4])
rules = policy(subject=Bucket(int(sys.argv[5]), 0), device=Bucket(int(sys.argv[6]), 0))
control = RedisAdmissionControl(redis.Redis.from_url(url), rules)
control.admit([asked("warm up")])
time.sleep(max(0.0, starts_at - time.time()))
shared = [f"{subject}-{number}" for number in range(30)]
answers = [control.admit([asked(subject, device=device)])[0] for _ in range(120)]
replays = [control.admit([asked(f"{subject}-again", replay=name)])[0] for name in shared]
print(sum(answer.admitted for answer in answers), sum(answer.admitted for answer in replays))
"""


@pytest.mark.parametrize(("subject_tokens", "device_tokens"), [(100, 1000), (1000, 100)])
def test_buckets_and_replays_are_exact_over_many_processes(
    valkey_url: str, subject_tokens: int, device_tokens: int
) -> None:
    names = (valkey_url, token_hex(8), token_hex(8), str(time.time() + 2.0), str(subject_tokens), str(device_tokens))
    processes = [
        subprocess.Popen([sys.executable, "-c", _FIRE, *names], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(4)
    ]
    counts = [tuple(map(int, process.communicate(timeout=60)[0].split())) for process in processes]
    # 480 requests of one subject on one device in four processes, and 30 signatures sent by each of them.
    assert sum(admitted for admitted, _ in counts) == 100
    assert sum(first for _, first in counts) == 30


_FOREIGN = {
    "another type": lambda client, key: client.lpush(key, "x"),
    **{
        text: lambda client, key, text=text: client.set(key, text)
        for text in (
            "nan nan",
            "inf -inf",
            "-inf 1",
            "-1e308 0",
            "x",
            "1",
            "0x",
            "nan nan nan",
            "-1e300 inf 0",
            "- - -",
        )
    },
}


@pytest.mark.parametrize("foreign", _FOREIGN)
def test_what_is_no_bucket_counts_as_a_full_one_and_costs_nobody_else(client: "redis.Redis", foreign: str) -> None:
    control = RedisAdmissionControl(client, policy(subject=Bucket(5, 1), device=Bucket(2, 1)))
    subject, other, device = (token_hex(8) for _ in range(3))
    for key in (limits_key(subject), device_key(device)):
        _FOREIGN[foreign](client, key)
    answers = control.admit([asked(other), *(asked(subject, device=device) for _ in range(3))])
    assert [answer.outcome for answer in answers] == ["admitted"] * 3 + ["limited_device"]
    assert [answer.remaining for answer in answers[:2]] == [4, 4]
    shared = control.admit([batch(subject, transactions=2, devices={device: 2})])[0]
    assert shared.admitted


def test_a_mark_of_another_type_is_a_replay_of_its_request_alone(client: "redis.Redis") -> None:
    control = RedisAdmissionControl(client, policy(subject=Bucket(5, 1)))
    request, other = asked(token_hex(8)), asked(token_hex(8))
    key = replay_key(request.replay_key, request.subject)
    client.lpush(key, "x")
    assert [answer.outcome for answer in control.admit([request, other])] == ["replayed", "admitted"]
    client.delete(key)
    assert control.admit([request])[0].admitted
