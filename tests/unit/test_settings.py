import base64
import secrets
from typing import Any

import pytest
from pydantic import ValidationError

from settings import DEVELOPMENT_MARK, Settings


def production(**changes: Any) -> Settings:
    key = secrets.token_urlsafe(48)
    values: dict[str, Any] = {
        "environment": "production",
        "jwt_secret": key,
        "hmac_key": key,
        "message_key": key,
        "artifact_encryption_key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "flower_password": key,
        "redis_url": "rediss://redis:6380/0",
        "mongo_url": "mongodb://mongo/?tls=true",
        "kafka_security_protocol": "SSL",
        "tls_terminated_by_proxy": True,
    }
    return Settings(_env_file=None, **(values | changes))


def test_production_accepts_sound_settings() -> None:
    assert production().environment == "production"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"jwt_secret": DEVELOPMENT_MARK + "x" * 40}, "JWT_SECRET is a development key"),
        ({"hmac_key": DEVELOPMENT_MARK + "x" * 40}, "HMAC_KEY is a development key"),
        ({"message_key": DEVELOPMENT_MARK + "x" * 40}, "MESSAGE_KEY is a development key"),
        ({"flower_password": DEVELOPMENT_MARK + "x"}, "FLOWER_PASSWORD is a development key"),
        ({"jwt_key_id": DEVELOPMENT_MARK + "1"}, "JWT_KEY_ID names a development key"),
        ({"jwt_previous_key_id": DEVELOPMENT_MARK + "1"}, "JWT_PREVIOUS_KEY_ID names a development key"),
        ({"artifact_key_id": DEVELOPMENT_MARK + "1"}, "ARTIFACT_KEY_ID names a development key"),
        ({"tls_terminated_by_proxy": False}, "TLS is missing"),
        ({"redis_url": "redis://redis:6379/0"}, "REDIS_URL is not encrypted"),
        ({"broker_url": "redis://redis:6379/0"}, "BROKER_URL is not encrypted"),
        ({"feature_redis_url": "redis://redis:6379/0"}, "FEATURE_REDIS_URL is not encrypted"),
        ({"feature_redis_url": "redis+cluster://a:1,b:2"}, "FEATURE_REDIS_URL is not encrypted"),
        ({"mongo_url": "mongodb://mongo/"}, "MONGO_URL is not encrypted"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"perf_mode": True}, "PERF_MODE keeps no decision"),
        ({"rate_limit_capacity": 0}, "RATE_LIMIT_CAPACITY is 0"),
        ({"hmac_accept_legacy_hex": True}, "HMAC_ACCEPT_LEGACY_HEX"),
    ],
)
def test_production_refuses_each_insecure_choice_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        production(**changes)


def test_development_accepts_its_own_keys() -> None:
    assert Settings(_env_file=None, jwt_secret=DEVELOPMENT_MARK + "x" * 40).jwt_secret is not None


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_one_url_serves_broker_and_features_unless_told_otherwise() -> None:
    shared = Settings(_env_file=None, redis_url="redis://a/0")
    assert shared.celery_broker_url == shared.feature_store_url == "redis://a/0"
    apart = Settings(_env_file=None, redis_url="redis://a/0", broker_url="redis://b/0", feature_redis_url="redis://c/0")
    assert (apart.celery_broker_url, apart.feature_store_url) == ("redis://b/0", "redis://c/0")
    assert Settings(_env_file=None, redis_url="redis://a/0", feature_redis_url="").feature_store_url == "redis://a/0"


def test_one_server_is_no_cluster() -> None:
    for url in (None, "redis://a:1/0", "rediss://a:1/0"):
        assert Settings(_env_file=None, feature_redis_url=url).feature_cluster_urls == []


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    plain = Settings(_env_file=None, feature_redis_url="redis+cluster://a:7000,10.0.0.1:7001,[::1]:7002")
    assert plain.feature_cluster_urls == ["redis://a:7000", "redis://10.0.0.1:7001", "redis://[::1]:7002"]
    secret = production(feature_redis_url="rediss+cluster://user:p%40ss@a:7000,b:7001/?ssl_ca_certs=/ca.pem")
    assert secret.feature_cluster_urls == [
        "rediss://user:p%40ss@a:7000?ssl_ca_certs=/ca.pem",
        "rediss://user:p%40ss@b:7001?ssl_ca_certs=/ca.pem",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "a:7000",
        "http://a:7000",
        "redis+cluster://",
        "redis+cluster://a",
        "redis+cluster://a:7000,",
        "redis+cluster://a:7000,b",
        "redis+cluster://a:7000/0",
    ],
)
def test_a_malformed_url_of_the_feature_store_is_one_sentence(url: str) -> None:
    with pytest.raises(ValidationError, match="FEATURE_REDIS_URL is neither redis://host:port/0 nor"):
        Settings(_env_file=None, feature_redis_url=url)


@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
def test_only_the_feature_store_lives_on_a_cluster(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name.upper()} names a cluster, and only FEATURE_REDIS_URL may"):
        Settings(_env_file=None, **{name: "redis+cluster://a:7000"})
