from pydantic import SecretStr

from security.admission.admission import UNLIMITED, AdmissionPolicy, AdmissionRequest, Bucket, SubjectLimits
from settings import Settings


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, hmac_key=SecretStr("k" * 40), **values)


def test_the_default_policy_is_the_contracts() -> None:
    policy = AdmissionPolicy.from_settings(settings())
    assert policy.subject == SubjectLimits(Bucket(100, 50.0), Bucket(2000, 600.0))
    assert policy.device == Bucket(100, 50.0)
    assert policy.replay_seconds == 2 * 120 + 30


def test_overrides_and_devices_have_buckets_of_their_own() -> None:
    policy = AdmissionPolicy.from_settings(
        settings(
            rate_limit_overrides={"demo": (0, 0), "shop": (5000, 100)},
            device_rate_limit_capacity=7,
            device_rate_limit_refill_per_minute=3,
        )
    )
    assert policy.limits(AdmissionRequest("demo", "r")) == SubjectLimits(UNLIMITED, UNLIMITED)
    assert policy.limits(AdmissionRequest("shop", "r")) == SubjectLimits(Bucket(5000, 100), Bucket(5000, 600))
    assert policy.limits(AdmissionRequest("other", "r")).requests.capacity == 100
    assert policy.device == Bucket(7, 3)


def test_whoever_may_send_more_requests_may_score_as_many_transactions() -> None:
    policy = AdmissionPolicy.from_settings(settings(rate_limit_capacity=3000, rate_limit_refill_per_minute=60_000))
    assert policy.subject.transactions == Bucket(3000, 60_000)
    assert AdmissionPolicy.from_settings(settings(rate_limit_capacity=0)).subject.transactions.capacity == 0


def test_a_limit_of_transactions_that_is_set_holds() -> None:
    given = {"transaction_rate_limit_capacity": 50, "transaction_rate_limit_refill_per_minute": 5}
    policy = AdmissionPolicy.from_settings(settings(**given, rate_limit_overrides={"shop": (80, 1), "free": (0, 0)}))
    assert policy.subject.transactions == Bucket(50, 5)
    assert policy.overrides["shop"].transactions == Bucket(80, 5)
    assert policy.overrides["free"].transactions.capacity == 0
    off = AdmissionPolicy.from_settings(settings(transaction_rate_limit_capacity=0, rate_limit_overrides={"a": (9, 9)}))
    assert off.subject.transactions.capacity == off.overrides["a"].transactions.capacity == 0


def test_waiting_times_are_whole_seconds_rounded_up_and_bounded() -> None:
    assert Bucket(100, 50).seconds_until(1) == 2
    assert Bucket(100, 50).seconds_until(0) == 0
    assert Bucket(100, 0).seconds_until(1) == 86_400
    assert Bucket(100, 1e-9).seconds_until(1) == 86_400
