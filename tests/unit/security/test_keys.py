import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from security.errors import KeyUnusableError
from security.keys import check_secret, generate_secret


@given(st.sampled_from(["", "dev_"]))
def test_a_generated_secret_is_strong_and_new(mark: str) -> None:
    secret = generate_secret(mark)
    assert check_secret("KEY", secret) == secret.encode()
    assert check_secret("KEY", SecretStr(secret)) == secret.encode()
    assert generate_secret(mark) != secret


@given(st.binary(min_size=32, max_size=32))
def test_a_random_hexadecimal_secret_is_strong_unless_it_repeats(raw: bytes) -> None:
    if len(set(raw.hex())) >= 10:
        check_secret("KEY", raw.hex())


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        (None, "KEY is not set"),
        ("", "KEY is not set"),
        (" " * 40, "KEY is not set"),
        ("5Xy-" * 7, "KEY is 28 bytes long, at least 32 are needed"),
        ("x" * 64, "KEY repeats itself"),
        ("ab1Z_k-Qr7" * 4, "KEY repeats itself"),
        ("your-256-bit-secret-for-development", "KEY is publicly known"),
        ("CHANGE-ME-CHANGE-ME-0123-CHANGE-ME", "KEY is publicly known"),
        ("a-string-secret-at-least-256-bits-long", "KEY is publicly known"),
        ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "KEY is publicly known"),
        ("Kd83hfz_Lq02mVx7-Pw5tYu1Rb9nSc4g \n", "KEY begins or ends with white space"),
    ],
)
def test_a_secret_that_protects_nothing_is_refused_with_a_sentence(secret: str | None, sentence: str) -> None:
    with pytest.raises(KeyUnusableError, match=sentence) as refused:
        check_secret("KEY", secret)
    assert "ops keys" in str(refused.value)


def test_a_refusal_never_shows_the_secret() -> None:
    with pytest.raises(KeyUnusableError) as refused:
        check_secret("KEY", "hunter2-hunter2")
    assert "hunter2" not in str(refused.value)
