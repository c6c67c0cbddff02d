import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from security.errors import KeyUnusableError
from security.keys import generate_secret
from security.tokens.jwks import MAX_DOCUMENT_BYTES, MAX_KEYS, parse_jwks
from security.tokens.token_keys import VerificationKey

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC = {
    "RS256": RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True),
    "ES256": ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True),
    "EdDSA": OKPAlgorithm.to_jwk(ED_KEY.public_key(), as_dict=True),
}
OBJECTS = {"RS256": RSA_KEY.public_key(), "ES256": EC_KEY.public_key(), "EdDSA": ED_KEY.public_key()}
FOREIGN = [PUBLIC["RS256"] | {"kid": "r"}, PUBLIC["ES256"] | {"kid": "e"}, PUBLIC["EdDSA"] | {"kid": "d"}]


def parse(*entries: Any, algorithm: Any = "ES256", holds_secrets: bool = False) -> list[VerificationKey]:
    document = json.dumps({"keys": list(entries)}).encode()
    return parse_jwks(document, algorithm, origin="JWT_JWKS_URL", holds_secrets=holds_secrets)


def entry(algorithm: str = "ES256", **members: Any) -> dict[str, Any]:
    members = {"kid": "k-1", "use": "sig", "alg": algorithm} | members
    return {name: value for name, value in (PUBLIC[algorithm] | members).items() if value is not None}


def secret(text: str, **members: Any) -> dict[str, Any]:
    encoded = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return {"kty": "oct", "kid": "k-1", "alg": "HS256", "k": encoded} | members


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_takes_the_keys_of_the_configured_algorithm_and_no_others(algorithm: str) -> None:
    others = [other for other in FOREIGN if other["kty"] != PUBLIC[algorithm]["kty"]]
    [key] = parse(entry(algorithm), *others, algorithm=algorithm)
    assert key == VerificationKey(OBJECTS[algorithm], algorithm, "k-1")


@pytest.mark.parametrize(
    "change",
    [
        {"kid": None},
        {"kid": ""},
        {"kid": 7},
        {"kid": "../../k"},
        {"kid": "k" * 65},
        {"use": "enc"},
        {"alg": "ES384"},
        {"alg": 1},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"key_ops": None, "kty": "oct"},
    ],
)
def test_passes_over_what_is_not_meant_for_our_tokens(change: dict[str, Any]) -> None:
    assert parse(entry(**change)) == []


def test_use_alg_and_key_ops_may_be_left_out() -> None:
    assert parse(entry(use=None, alg=None))
    assert parse(entry(key_ops=["sign", "verify"]))


def test_other_entries_and_members_do_no_harm() -> None:
    assert len(parse(entry(x5c=["AAAA"], x5u="https://x.test", note="a"), 1, None, [], {}, {"kty": "ML-DSA"})) == 1


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([entry(x="AAAA")], "k-1 is malformed"),
        ([entry(x=1)], "k-1 is malformed"),
        ([entry(y=None)], "k-1 is malformed"),
        ([entry(x="é")], "k-1 is malformed"),
        ([entry(crv="P-384")], "k-1 is malformed"),
        (
            [ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True) | {"kid": "a"}],
            "fit",
        ),
        ([ECAlgorithm.to_jwk(EC_KEY, as_dict=True) | {"kid": "a"}], "a is private"),
        ([entry(), entry()], "two keys have one kid"),
        ([entry(kid=f"k-{number}") for number in range(MAX_KEYS + 1)], "at most 8"),
        ([{}] * 101, "at most 100"),
    ],
)
def test_a_set_that_cannot_be_trusted_is_refused_whole(entries: list[Any], sentence: str) -> None:
    with pytest.raises(KeyUnusableError, match=sentence):
        parse(*entries)


def test_a_short_rsa_key_is_refused() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505 - the weak key under test
    with pytest.raises(KeyUnusableError, match="does not fit RS256"):
        parse(RSAAlgorithm.to_jwk(short, as_dict=True) | {"kid": "a"}, algorithm="RS256")


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b"null", b"\xff", b'{"keys": {}}', b'{"keys": [], "keys": []}', b"[" * 5000, b'{"keys": NaN}'],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeyUnusableError):
        parse_jwks(document, "ES256", origin="JWT_JWKS_URL", holds_secrets=False)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_rubbish_in_a_key_crashes(rubbish: Any) -> None:
    for member in ("x", "y", "crv", "kty", "kid", "use", "alg", "key_ops"):
        try:
            assert len(parse(entry() | {member: rubbish})) <= 1
        except KeyUnusableError:
            continue


def test_an_oversized_set_is_not_even_parsed() -> None:
    with pytest.raises(KeyUnusableError, match="larger than"):
        parse(entry(note="x" * MAX_DOCUMENT_BYTES))


def test_secrets_are_taken_from_private_places_only_and_must_be_strong() -> None:
    good = generate_secret()
    [key] = parse(secret(good), *FOREIGN, algorithm="HS256", holds_secrets=True)
    assert key == VerificationKey(good.encode(), "HS256", "k-1")
    with pytest.raises(KeyUnusableError, match="secrets do not belong"):
        parse(secret(good), algorithm="HS256")
    for weak in ("short", "x" * 64, "your-256-bit-secret-for-development", "Kd83hfz_Lq02mVx7-Pw5tYu1Rb9nSc4g \n"):
        with pytest.raises(KeyUnusableError, match=r"k-1 (is|repeats|begins)"):
            parse(secret(weak), algorithm="HS256", holds_secrets=True)
    with pytest.raises(KeyUnusableError, match="base64url"):
        parse(secret(good, k=None), algorithm="HS256", holds_secrets=True)


def test_a_secret_in_a_set_of_public_keys_is_no_key() -> None:
    assert parse(secret(generate_secret(), alg="ES256"), entry(kid="k-2"))[0].key_id == "k-2"
