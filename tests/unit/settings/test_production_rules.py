import base64
import secrets
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ml.training.tracking_mlflow import MlflowTracker
from ops.credentials.development_certificates import make_development_certificates
from security.tokens.jwks_keys import key_source
from settings import DEVELOPMENT_MARK, Settings
from settings.problems import SettingsRefusedError, settings_problems
from settings.production_connections import PLATFORM, refuse_plain_redis
from settings.production_rules import refuse_unsafe
from tasks.wiring.clients_kafka import kafka_arrivals, publication_log
from tasks.wiring.clients_mongo import connect_mongo
from tasks.wiring.clients_redis import connect_redis, connect_redis_cluster


def production(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "environment": "production",
        "jwt_secret": secrets.token_urlsafe(48),
        "hmac_key": secrets.token_urlsafe(48),
        "message_key": secrets.token_urlsafe(48),
        "artifact_encryption_key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "flower_password": secrets.token_urlsafe(24),
        "redis_url": "rediss://redis:6380/0",
        "mongo_url": "mongodb://mongo/?tls=true",
        "kafka_bootstrap": "kafka:9093",
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
        ({"redis_url": "redis://redis:6379/0"}, "REDIS_URL is not encrypted"),
        ({"broker_url": "redis://redis:6379/0"}, "BROKER_URL is not encrypted"),
        ({"feature_redis_url": "redis://redis:6379/0"}, "FEATURE_REDIS_URL is not encrypted"),
        ({"feature_redis_url": "redis+cluster://a:1,b:2"}, "FEATURE_REDIS_URL is not encrypted"),
        ({"mongo_url": "mongodb://mongo/"}, "MONGO_URL is not encrypted"),
        ({"kafka_security_protocol": "PLAINTEXT"}, "KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"score_shard_urls": {"s1": "redis://shard:6379/0"}}, "SCORE_SHARD_URLS does not encrypt shard s1"),
        ({"perf_mode": True}, "PERF_MODE keeps no decision"),
        ({"rate_limit_capacity": 0}, "RATE_LIMIT_CAPACITY is 0"),
        ({"transaction_rate_limit_capacity": 0}, "TRANSACTION_RATE_LIMIT_CAPACITY is 0"),
        ({"device_rate_limit_capacity": 0}, "DEVICE_RATE_LIMIT_CAPACITY is 0"),
        ({"mongo_url": "mongodb://m/?tls=true&tlsInsecure=true"}, "MONGO_URL has tlsInsecure"),
        ({"mongo_url": "mongodb://m/?ssl=true&tlsAllowInvalidCertificates=true"}, "MONGO_URL has tlsAllowInvalidC"),
        ({"mongo_url": "mongodb://m/?tls=true&tlsAllowInvalidHostnames=true"}, "MONGO_URL has tlsAllowInvalidH"),
        ({"mongo_url": "mongodb+srv://m.example/?tls=false"}, "MONGO_URL is not encrypted"),
        ({"mongo_url": "mongodb://m/?appName=tls=true"}, "MONGO_URL is not encrypted"),
        ({"redis_url": "rediss://h/0?ssl_cert_reqs=none"}, "REDIS_URL asks not to check"),
        ({"mlflow_tracking_uri": "http://mlflow:5000"}, "MLFLOW_TRACKING_URI is not encrypted"),
        ({"jwt_jwks_url": "http://idp/keys"}, "JWT_JWKS_URL is not encrypted"),
        ({"flower_password": "x"}, "FLOWER_PASSWORD can be guessed"),
        ({"flower_password": "aaaaaaaaaaaaaaaaaaaaaaaa"}, "FLOWER_PASSWORD can be guessed"),
        ({"hmac_accept_legacy_hex": True}, "HMAC_ACCEPT_LEGACY_HEX"),
    ],
)
def test_production_refuses_each_insecure_choice_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ValidationError, SettingsRefusedError), match=sentence):
        refuse_unsafe(production(**changes), PLATFORM)


def test_a_client_is_not_made_over_a_plain_connection_however_its_process_was_started(tmp_path: Path) -> None:
    plain = {"mongo_url": "mongodb://m/", "kafka_security_protocol": "PLAINTEXT", "feature_redis_url": "redis://f/0"}
    settings = production(**plain, mlflow_tracking_uri="http://m", jwt_jwks_url="http://i", var_dir=tmp_path)
    for make in (
        connect_mongo,
        publication_log,
        kafka_arrivals,
        MlflowTracker.from_settings,
        key_source,
        lambda own: connect_redis(own, own.feature_store_url),
        lambda own: connect_redis_cluster(own, ["redis://f:1"]),
    ):
        with pytest.raises(SettingsRefusedError, match="production refuses to start"):
            make(settings)
    refuse_plain_redis(settings, settings.redis_url)


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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tls_terminated_by_proxy": False}, "TLS is missing; set TLS_CERTIFICATE_FILE"),
        ({"mtls_only": True}, "MTLS_ONLY sees no certificate behind TLS_TERMINATED_BY_PROXY"),
    ],
)
def test_production_asks_the_api_alone_for_its_tls(changes: dict[str, Any], sentence: str) -> None:
    settings = production(**changes)
    with pytest.raises(SettingsRefusedError, match=f"production refuses to start: {sentence}"):
        refuse_unsafe(settings, "web")


def test_an_api_with_tls_or_in_development_is_not_refused(tmp_path: Path) -> None:
    refuse_unsafe(production(), "web")
    refuse_unsafe(production(tls_terminated_by_proxy=False, tls_certificate_file=tmp_path / "server.pem"), "web")
    refuse_unsafe(Settings(_env_file=None, environment="development"), "web")


def test_mlflow_s_own_switch_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "True")
    refuse_unsafe(production(), "web")
    with pytest.raises(SettingsRefusedError, match="MLFLOW_TRACKING_INSECURE_TLS keeps MLflow's certificate unchecked"):
        refuse_unsafe(production(), "retrain")


@pytest.mark.parametrize("options", ["?ssl=true", "?TLS=true", "?tls=true&tlsInsecure=false"])
def test_production_accepts_what_the_client_encrypts(options: str) -> None:
    refuse_unsafe(production(mongo_url=f"mongodb://m/{options}"), PLATFORM)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as refusal:
        production(perf_mode=True, redis_url="redis://r/0", hmac_accept_legacy_hex=True)
    sentences = settings_problems(refusal.value)
    assert [sentence.split()[0] for sentence in sentences] == ["REDIS_URL", "PERF_MODE", "HMAC_ACCEPT_LEGACY_HEX"]
