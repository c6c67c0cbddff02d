from pydantic import SecretStr

from security.admission.admission import AdmissionPolicy, AdmissionRequest, Bucket
from settings import Settings


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, hmac_key=SecretStr("k" * 40), **values)


def test_the_default_policy_is_the_contracts() -> None:
    policy = AdmissionPolicy.from_settings(settings())
    assert policy.subject == Bucket(100, 50.0)
    assert policy.replay_seconds == 2 * 120 + 30


def test_overrides_and_devices_have_buckets_of_their_own() -> None:
    policy = AdmissionPolicy.from_settings(
        settings(
            rate_limit_overrides={"demo": (0, 0)}, device_rate_limit_capacity=7, device_rate_limit_refill_per_minute=3
        )
    )
    assert policy.subject_bucket(AdmissionRequest("demo", "r")).capacity == 0
    assert policy.subject_bucket(AdmissionRequest("other", "r")).capacity == 100
    assert policy.device_bucket(AdmissionRequest("demo", "r", "d")) == Bucket(7, 3)
    assert policy.device_bucket(AdmissionRequest("demo", "r")).capacity == 0


def test_waiting_times_are_whole_seconds_rounded_up_and_bounded() -> None:
    assert Bucket(100, 50).seconds_until(1) == 2
    assert Bucket(100, 50).seconds_until(0) == 0
    assert Bucket(100, 0).seconds_until(1) == 86_400
    assert Bucket(100, 1e-9).seconds_until(1) == 86_400
