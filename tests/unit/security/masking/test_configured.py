import base64
import secrets
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from security.masking import MASKED, mask, masker
from security.masking.configured import MIN_SECRET_CHARACTERS, mask_of, secret_values
from settings import DEVELOPMENT_MARK, Settings

printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=MIN_SECRET_CHARACTERS, max_size=64)


def test_every_secret_in_the_settings_is_known() -> None:
    typed = {
        name: secrets.token_urlsafe(32)
        for name, field in Settings.model_fields.items()
        if field.annotation in {SecretStr, SecretStr | None}
    }
    assert {"jwt_secret", "hmac_key", "message_key", "artifact_encryption_key", "flower_password"} <= typed.keys()
    urls = {
        "redis_url": "rediss://web:pass%2Fone@redis:6380/0",
        "feature_redis_url": "redis+cluster://web:pass-two@a:1,b:2",
        "mongo_url": "mongodb://shrike:pass-three@db1,db2/?tls=true",
    }
    known = secret_values(Settings(_env_file=None, **typed, **urls))
    assert set(typed.values()) | {"pass/one", "pass-two", "pass-three"} <= known


def test_no_configured_secret_survives_in_any_of_its_forms() -> None:
    key = DEVELOPMENT_MARK + secrets.token_urlsafe(32)
    settings = Settings(_env_file=None, hmac_key=key, redis_url="redis://web:a%2Fb+c~d@redis:6379/0")
    masked = masker(settings)
    bare = key.removeprefix(DEVELOPMENT_MARK)
    for written in (key, bare, quote(key), base64.b64encode(key.encode()).decode(), repr({key: 1}), "a/b+c~d"):
        text = masked(f"it was {written} then")
        assert key not in text
        assert bare not in text
        assert MASKED in text
        assert text.startswith("it was ")
        assert text.endswith(" then")
    assert "a%2Fb%2Bc~d" not in masked("a%2Fb%2Bc~d")


@given(secret=printable, before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_secret_survives_between_other_characters(secret: str, before: str, after: str) -> None:
    masked = mask_of([secret])(f"{before}{secret}{after}")
    assert secret not in masked.replace(MASKED, "\0")


def test_a_secret_that_begins_like_another_is_hidden_whole() -> None:
    assert mask_of(["abcdef", "abcdefgh"])("x abcdefgh y") == f"x {MASKED} y"


def test_without_secrets_the_mask_is_the_plain_one() -> None:
    assert mask_of([]) is mask
    assert mask_of(["short"]) is mask


def test_settings_without_a_secret_hide_nothing_else() -> None:
    text = "redis at redis://127.0.0.1:6379/0 is gone"
    assert masker(Settings(_env_file=None))(text) == "redis at redis://127.0.0.x:6379/0 is gone"
