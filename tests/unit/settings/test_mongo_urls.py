from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pymongo import MongoClient

from settings import Settings
from settings.mongo_urls import MongoUrl


@pytest.mark.parametrize(
    ("options", "is_encrypted", "unchecked"),
    [
        ("", False, ()),
        ("?tls=true", True, ()),
        ("?ssl=true", True, ()),
        ("?TLS=true", True, ()),
        ("?tls=false", False, ()),
        ("?tls=true&tlsInsecure=true", True, ("tlsInsecure",)),
        ("?tls=true&tlsAllowInvalidCertificates=true", True, ("tlsAllowInvalidCertificates",)),
        ("?ssl=true&tlsallowinvalidhostnames=true", True, ("tlsallowinvalidhostnames",)),
        ("?tls=true&tlsInsecure=false", True, ()),
    ],
)
def test_a_url_says_what_the_client_will_do(options: str, *, is_encrypted: bool, unchecked: tuple[str, ...]) -> None:
    url = f"mongodb://m:27017/{options}"
    parsed = MongoUrl.parse(url)
    assert (parsed.is_encrypted, parsed.unchecked) == (is_encrypted, unchecked)
    client: MongoClient[Any] = MongoClient(url, connect=False)
    context = client.options.pool_options._ssl_context
    assert (context is not None) == is_encrypted
    if context is not None:
        certificates, names = bool(context.verify_mode), bool(context.check_hostname)
        assert (certificates and names) == (not unchecked)


def test_an_srv_name_is_encrypted_unless_it_says_otherwise() -> None:
    assert MongoUrl.parse("mongodb+srv://m.example/").is_encrypted
    assert not MongoUrl.parse("mongodb+srv://m.example/?tls=false").is_encrypted


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("m:27017", "begins with no scheme"),
        ("http://m/", "has the scheme http://"),
        ("mongodb://", "cannot be read"),
        ("mongodb://m:x/", "cannot be read"),
        ("mongodb://u:p@ss@h/", "cannot be read"),
        ("mongodb://:p@h/", "without a user name"),
        ("mongodb://m/?tls=true;tlsInsecure=true", "cannot be read"),
        ("mongodb://m/?tls=yes", "neither true nor false"),
        ("mongodb://m/?tls=true&ssl=false", "both that TLS is on"),
        ("mongodb+srv://m:27017/", "one name without"),
        ("mongodb+srv://a,b/", "one name without"),
        ("mongodb://m/tls=true?tls=false", "names the database tls=true"),
        ("mongodb://m/other", "names the database other, and MONGO_DATABASE, the one that is used, is shrike"),
        ("mongodb://u:p@m/other", "names the database other"),
    ],
)
def test_a_url_that_cannot_mean_what_it_says_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Settings(_env_file=None, mongo_url=url)


def test_the_database_of_a_url_may_hold_the_user() -> None:
    """As MongoDB itself has it; the platform's own database is MONGO_DATABASE's."""
    assert Settings(_env_file=None, mongo_url="mongodb://u:p@m/admin").mongo_database == "shrike"
    assert Settings(_env_file=None, mongo_url="mongodb://m/shrike").mongo_database == "shrike"
    named = Settings(_env_file=None, mongo_url="mongodb://u:p@m/users", mongo_database="payments")
    assert named.mongo_database == "payments"


def test_credentials_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mongo"
    file.write_text("Shrike:a/b@c:d\n")
    settings = Settings(_env_file=None, mongo_url="mongodb://m1,m2/?tls=true", mongo_credentials_file=file)
    assert settings.mongo_url == "mongodb://Shrike:a%2Fb%40c%3Ad@m1,m2/?tls=true"
    client: MongoClient[Any] = MongoClient(settings.mongo_url, connect=False)
    credentials = client.options.pool_options._credentials
    assert (credentials.username, credentials.password) == ("Shrike", "a/b@c:d")
