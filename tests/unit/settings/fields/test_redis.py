import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings


def test_one_url_serves_broker_and_features_unless_set_otherwise() -> None:
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
    secret = Settings(_env_file=None, feature_redis_url="rediss+cluster://user:p%40ss@a:7000,b:7001/")
    assert secret.feature_cluster_urls == ["rediss://user:p%40ss@a:7000", "rediss://user:p%40ss@b:7001"]


@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
def test_only_the_feature_store_lives_on_a_cluster(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name.upper()} names a cluster, and only FEATURE_REDIS_URL may"):
        Settings(_env_file=None, **{name: "redis+cluster://a:7000"})


def test_credentials_of_a_file_reach_every_server_that_names_none(tmp_path: Path) -> None:
    file = tmp_path / "web"
    file.write_text("Web.1:p/a?s#s@w:o%r+d=\n")
    encoded = "Web.1:p%2Fa%3Fs%23s%40w%3Ao%25r%2Bd%3D"
    settings = Settings(
        _env_file=None,
        redis_credentials_file=file,
        broker_url="redis://own:one@b/0",
        feature_redis_url="redis+cluster://c:1,d:2",
        score_shard_urls={"s1": "rediss://e:6380/0"},
    )
    assert settings.redis_url == f"redis://{encoded}@127.0.0.1:6379/0"
    assert settings.broker_url == "redis://own:one@b/0"
    assert settings.feature_cluster_urls == [f"redis://{encoded}@c:1", f"redis://{encoded}@d:2"]
    assert settings.score_shard_urls == {"s1": f"rediss://{encoded}@e:6380/0"}
    assert "redis_url" not in settings.model_fields_set, "an address that nobody gave is still one that nobody gave"


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
