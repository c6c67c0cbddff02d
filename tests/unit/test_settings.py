import base64
import secrets
import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ops.credentials.development_certificates import make_development_certificates
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
        ({"score_shard_urls": {"s1": "redis://shard:6379/0"}}, "SCORE_SHARD_URLS does not encrypt shard s1"),
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


SHARDS = {"s1": "redis://one:6379/0", "s2": "redis://two:6379/0"}


def sharded(**changes: Any) -> Settings:
    return Settings(_env_file=None, redis_url="redis://shared:6379/0", **({"score_shard_urls": SHARDS} | changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"score_shard_urls": {"S 1": "redis://one/0"}}, "names a shard 'S 1'"),
        ({"score_shard_urls": {"s1": "redis+cluster://one:1"}}, "no redis://, rediss:// or unix:// URL of one server"),
        ({"score_shard_urls": {"s1": "redis://one/0", "s2": "redis://one/0"}}, "names one server twice"),
        ({"shard": "s3"}, "SHARD names 's3', which is not in SCORE_SHARD_URLS"),
        ({"score_shards_retiring": ["s3"]}, "SCORE_SHARDS_RETIRING names 's3'"),
        ({"score_shards_retiring": ["s1", "s2"]}, "names every shard"),
        ({"use_local_inference": True}, "choose one"),
    ],
)
def test_shards_that_make_no_sense_are_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        sharded(**changes)


def test_a_shard_s_process_has_its_queues_and_records_there_and_all_else_in_common() -> None:
    shared = sharded(score_shards_retiring=["s1"], broker_url="redis://broker:6379/0")
    assert (shared.delivery_url, shared.celery_broker_url) == ("redis://shared:6379/0", "redis://broker:6379/0")
    assert shared.open_shards == ("s2",)
    own = shared.of_shard("s2")
    assert (own.delivery_url, own.celery_broker_url) == (SHARDS["s2"], SHARDS["s2"])
    assert (own.redis_url, own.feature_store_url) == (shared.redis_url, shared.feature_store_url)


def test_scoring_is_not_sharded_unless_shards_are_named() -> None:
    plain = Settings(_env_file=None)
    assert (plain.score_shard_urls, plain.open_shards, plain.shard) == ({}, (), None)


def test_production_refuses_development_certificates(tmp_path: Path) -> None:
    make_development_certificates(tmp_path / "tls", server_names=[], replace=False)
    for name, file in (
        ("tls_certificate_file", "server.pem"),
        ("tls_client_ca_file", "ca.pem"),
        ("redis_ca_file", "ca.pem"),
        ("redis_certificate_file", "internal.pem"),
        ("mongo_certificate_file", "internal-both.pem"),
        ("kafka_ca_file", "ca.pem"),
    ):
        with pytest.raises(ValidationError, match=f"{name.upper()} is a development certificate"):
            production(**{name: tmp_path / "tls" / file})
    assert production(redis_ca_file=tmp_path / "absent.pem").redis_ca_file is not None


def test_certificates_behind_a_proxy_that_ends_tls_are_refused_in_production() -> None:
    with pytest.raises(ValidationError, match="MTLS_ONLY sees no certificate"):
        production(mtls_only=True)


def test_only_an_encrypted_redis_url_gets_certificates() -> None:
    settings = Settings(_env_file=None, redis_ca_file="ca.pem", redis_certificate_file="c.pem", redis_key_file="c.key")
    assert settings.redis_tls_options("redis://a:1/0") == {}
    options = settings.redis_tls_options("rediss://a:1/0")
    assert options["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    assert options["ssl_check_hostname"] is True
    assert [Path(options[name]).name for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")] == [
        "ca.pem",
        "c.pem",
        "c.key",
    ]
