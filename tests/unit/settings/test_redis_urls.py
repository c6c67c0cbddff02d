import re

import pytest
from kombu.utils.url import parse_url as kombu_parse
from redis.connection import parse_url

from settings.redis_urls import feature_store, one_server


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://h", "redis://h/0"),
        ("redis://h/", "redis://h/0"),
        ("redis://h?db=2", "redis://h/2"),
        ("redis://h/2?db=2", "redis://h/2"),
        ("redis://[::1]:6379/3", "redis://[::1]:6379/3"),
        ("rediss://user:p%2Fw@h:6380/1?ssl_cert_reqs=CERT_REQUIRED", "rediss://user:p%2Fw@h:6380/1"),
        ("rediss://:pw@h:6380/?ssl_cert_reqs=required", "rediss://:pw@h:6380/0"),
    ],
)
def test_redis_py_and_kombu_read_the_same_server_and_database(given: str, taken: str) -> None:
    url = one_server("REDIS_URL", given)
    assert url == taken
    by_redis_py, by_kombu = parse_url(url), kombu_parse(url)
    assert by_redis_py["db"] == int(by_kombu["virtual_host"])
    assert by_redis_py.get("port") == by_kombu["port"]
    assert by_redis_py.get("password") == by_kombu["password"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("h:6379", "begins with no scheme"),
        ("localhost:6379/0", "begins with no scheme"),
        ("http://h:6379/0", "has the scheme http://"),
        ("REDIS://h:6379/0", "begins with no scheme"),
        ("sentinel://h:26379/0", "names a Redis Sentinel"),
        ("redis+sentinel://h:26379/0", "names a Redis Sentinel"),
        ("redis+cluster://h:1", "names a cluster"),
        ("unix:///run/redis.sock", "names a local socket"),
        ("redis://a:1,b:2/0", "names several servers"),
        ("redis://", "cannot be read"),
        ("redis:///0", "cannot be read"),
        ("redis://h:port/0", "cannot be read"),
        ("redis://h:65536/0", "cannot be read"),
        ("redis://h:0/0", "cannot be read"),
        ("redis://h/0#1", "cannot be read"),
        ("redis://h/zero", "a database that is no number"),
        ("redis://h/0/1", "a database that is no number"),
        ("redis://h?db=two", "a database that is no number"),
        ("redis://h/1?db=2", "one database in its path and another"),
        ("redis://h?db=1&db=2", "one database in its path and another"),
        ("rediss://h/0?ssl_cert_reqs=none", "asks not to check the server's certificate"),
        ("rediss://h/0?ssl_cert_reqs=optional", "asks not to check the server's certificate"),
        ("rediss://h/0?ssl_check_hostname=false", "has ssl_check_hostname"),
        ("rediss://h/0?ssl_ca_certs=/ca.pem", "set REDIS_CA_FILE instead"),
        ("redis://h/0?socket_timeout=60", "set REDIS_SOCKET_TIMEOUT_SECONDS instead"),
        ("redis://h/0?password=s3cr3t", "set REDIS_CREDENTIALS_FILE instead"),
        ("redis://h/0?retry_on_timeout=true", "has retry_on_timeout"),
    ],
)
def test_what_two_clients_would_read_differently_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refusal:
        one_server("REDIS_URL", url)
    assert str(refusal.value).startswith("REDIS_URL ")
    assert str(refusal.value).count("\n") == 0


@pytest.mark.parametrize(
    "url",
    ["a:7000", "http://a:7000", "redis+cluster://", "redis+cluster://a", "redis+cluster://a:7000,",
     "redis+cluster://a:7000,b", "redis+cluster://a:7000/0", "redis+cluster://a:7000?db=1",
     "rediss+cluster://a:7000?ssl_cert_reqs=none", "unix://", "unix://relative.sock", "unix:///a.sock?db=x"],
)  # fmt: skip
def test_a_malformed_url_of_the_feature_store_is_one_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"^FEATURE_REDIS_URL [^\n]*$"):
        feature_store(url)


def test_the_feature_store_may_be_a_local_socket_or_a_cluster() -> None:
    assert feature_store("unix:///run/redis.sock") == "unix:///run/redis.sock?db=0"
    assert feature_store("redis+cluster://u:p@a:7000,[::1]:7001/") == "redis+cluster://u:p@a:7000,[::1]:7001"
