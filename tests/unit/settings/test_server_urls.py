from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis.connection import parse_url

from settings import Settings
from settings.problems import settings_problems
from settings.server_urls import read_credentials, with_credentials, without_credentials

PASSWORD = "s3cr3t"


@pytest.mark.parametrize("name", ["redis_url", "broker_url", "feature_redis_url", "mongo_url"])
@pytest.mark.parametrize("reserved", [*"/?#@[]%: ", "%2", "%zz"])
def test_a_password_that_breaks_its_url_is_refused_without_a_part_of_it(name: str, reserved: str) -> None:
    scheme = "mongodb" if name == "mongo_url" else "redis"
    url = f"{scheme}://user:{PASSWORD}{reserved}Pa55phrase@host:6379/0"
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None, **{name: url})
    [sentence] = settings_problems(refusal.value)
    assert sentence.startswith(name.upper())
    for text in (sentence, str(refusal.value)):
        assert PASSWORD not in text
        assert "Pa55" not in text


@given(password=st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), min_size=1))
def test_any_password_of_a_file_arrives_as_it_is(tmp_path_factory: pytest.TempPathFactory, password: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any-password"
    file.write_text(f"Web-User:{password}\n", encoding="utf-8")
    credentials = read_credentials("REDIS_CREDENTIALS_FILE", file)
    url = with_credentials("redis://host:6379/0", credentials)
    assert parse_url(url)["password"] == password
    assert unquote(credentials.partition(":")[2]) == password
    assert without_credentials(url) == "redis://host:6379/0"


@pytest.mark.parametrize("content", ["", "web", "web:\n", "web:one\nweb:two\n", "web:a\tb", b"web:\xff"])
def test_a_file_without_one_line_of_credentials_is_refused(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "web"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"^REDIS_CREDENTIALS_FILE: {file} "):
        read_credentials("REDIS_CREDENTIALS_FILE", file)
    with pytest.raises(ValueError, match="cannot be read"):
        read_credentials("REDIS_CREDENTIALS_FILE", tmp_path / "absent")
