import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from security.errors import SignatureRejectedError
from security.keys import generate_secret
from security.signatures.client_keys import ClientKey, FixedClientKeys
from security.signatures.content_digest import content_digest
from security.signatures.http_message_signatures import HttpMessage, parse_input, signature_base
from security.signatures.http_message_verifier import MessageSignatureVerifier, sign_message
from security.signatures.request_signatures import SignatureForm, VerifiedSignature

NOW = 1_700_000_000
SHARED, OWN = generate_secret().encode(), generate_secret().encode()
PRIVATE = Ed25519PrivateKey.generate()
RING = FixedClientKeys(
    [
        ClientKey("shared", "hmac-sha256", SHARED),
        ClientKey("own", "hmac-sha256", OWN, "shop"),
        ClientKey("ed", "ed25519", PRIVATE.public_key(), "shop"),
    ]
)
BODY = b'{"amount": 1}'
TARGET = "/predictions/score?a=1"


def message(headers: Mapping[str, str], **changes: Any) -> HttpMessage:
    fields = {name.lower(): value for name, value in headers.items()}
    return replace(HttpMessage("POST", "https", "api.test", TARGET, fields.get), **changes)


def verify(
    headers: Mapping[str, str], *, body: bytes = BODY, subject: str = "other", now: float = NOW, **changes: Any
) -> VerifiedSignature:
    verifier = MessageSignatureVerifier(RING, max_skew_seconds=120, clock=lambda: now)
    return verifier.verify(message(headers, **changes), body=body, subject=subject)


def rejection(headers: Mapping[str, str], **request: Any) -> str:
    with pytest.raises(SignatureRejectedError) as refused:
        verify(headers, **request)
    return refused.value.reason


def signed(key: Any = SHARED, *, key_id: str = "shared", body: bytes = BODY, **more: Any) -> dict[str, str]:
    return sign_message(key, message({}), key_id=key_id, body=body, **({"created": NOW} | more))


def written(components: str, parameters: str, *, key: bytes = SHARED, **fields: str) -> dict[str, str]:
    """Returns headers whose input the test writes itself, rightly signed."""
    text = f"s=({components}){parameters}"
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    base = signature_base(message(headers), parse_input(text))
    value = b64encode(hmac.digest(key, base, "sha256")).decode()
    return headers | {"signature-input": text, "signature": f"s=:{value}:"}


ALL = '"@method" "@target-uri" "content-digest"'
TIMES = f';created={NOW};keyid="shared"'
DIGEST = {"content_digest": content_digest(BODY)}


@pytest.mark.parametrize(
    ("key", "key_id", "subject"),
    [(SHARED, "shared", "other"), (OWN, "own", "shop"), (PRIVATE, "ed", "shop")],
    ids=["shared", "own", "ed25519"],
)
def test_what_was_signed_verifies(key: Any, key_id: str, subject: str) -> None:
    verified = verify(signed(key, key_id=key_id), subject=subject)
    assert (verified.form, verified.key_id) == (SignatureForm.MESSAGE, key_id)
    assert len(verified.digest) == 64
    assert verify(signed(key, key_id=key_id, body=b""), body=b"", subject=subject)


@pytest.mark.parametrize(
    "components",
    [
        ALL,
        '"@method" "@path" "@query" "content-digest"',
        '"@method" "@request-target" "content-digest"',
        '"content-digest" "@authority" "@scheme" "@target-uri" "@method"',
    ],
)
def test_any_components_that_cover_the_request_are_enough(components: str) -> None:
    assert verify(written(components, TIMES, **DIGEST))


@pytest.mark.parametrize(
    "components",
    [
        "",
        '"@method"',
        '"@target-uri" "content-digest"',
        '"@method" "@path" "content-digest"',
        '"@method" "@query" "content-digest"',
        '"@method" "@authority" "@scheme" "content-digest"',
        '"@method" "@target-uri"',
        '"@method" "@path" "@query" "x"',
    ],
)
def test_a_signature_that_leaves_part_of_the_request_open_is_refused(components: str) -> None:
    assert rejection(written(components, TIMES, x="1", **DIGEST)) == "signature_coverage"


def test_without_a_body_no_digest_is_needed_and_none_can_be_slipped_in() -> None:
    headers = written('"@method" "@target-uri"', TIMES)
    assert verify(headers, body=b"")
    assert rejection(headers, body=BODY) == "signature_coverage"
    assert rejection(signed(), body=b"") == "signature_digest"


@pytest.mark.parametrize(
    "digest", [content_digest(b"other"), "md5=:AAAA:", "", f"{content_digest(BODY)}, sha-512=:AAAA:"]
)
def test_the_digest_is_checked_against_the_body(digest: str) -> None:
    assert rejection(written(ALL, TIMES, content_digest=digest)) == "signature_digest"


@pytest.mark.parametrize("offset", [-120, -119, 0, 119, 120])
def test_created_within_the_skew_is_accepted(offset: int) -> None:
    assert verify(signed(created=NOW + offset))


@pytest.mark.parametrize("offset", [-121, 121, -(10**9), 10**9])
def test_created_beyond_the_skew_is_refused(offset: int) -> None:
    assert rejection(signed(created=NOW + offset)) == "timestamp_skew"


def test_created_is_required_and_expires_obeyed() -> None:
    assert rejection(written(ALL, ';keyid="shared"', **DIGEST)) == "timestamp_missing"
    assert verify(written(ALL, f"{TIMES};expires={NOW}", **DIGEST))
    assert rejection(written(ALL, f"{TIMES};expires={NOW - 1}", **DIGEST)) == "signature_expired"


@pytest.mark.parametrize(
    ("parameters", "key", "subject"),
    [
        (f";created={NOW}", SHARED, "other"),
        (f';created={NOW};keyid=""', SHARED, "other"),
        (f';created={NOW};keyid="unknown"', SHARED, "other"),
        (f';created={NOW};keyid="own"', OWN, "other"),
        (f';created={NOW};keyid="shared"', SHARED, "shop"),
        (f';created={NOW};keyid="shared";alg="ed25519"', SHARED, "other"),
        (f';created={NOW};keyid="shared";alg="rsa-pss-sha512"', SHARED, "other"),
        (f';created={NOW};keyid="shared";alg="none"', SHARED, "other"),
        (f';created={NOW};keyid="ed";alg="hmac-sha256"', PRIVATE.public_key().public_bytes_raw(), "shop"),
    ],
    ids=lambda value: "key" if isinstance(value, bytes) else None,
)
def test_a_key_verifies_by_its_own_algorithm_for_its_own_subject(parameters: str, key: bytes, subject: str) -> None:
    assert rejection(written(ALL, parameters, key=key, **DIGEST), subject=subject) == "signature_key_id"


def test_the_public_key_used_as_a_secret_signs_nothing() -> None:
    forged = written(ALL, f';created={NOW};keyid="ed"', key=PRIVATE.public_key().public_bytes_raw(), **DIGEST)
    assert rejection(forged, subject="shop") == "signature_mismatch"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"method": "post"},
        {"target": "/predictions/score?a=2"},
        {"target": "/predictions/score"},
        {"target": "/predictions/score/?a=1"},
        {"target": "/Predictions/score?a=1"},
        {"target": "/predictions/%73core?a=1"},
    ],
)
def test_another_request_is_refused(change: dict[str, str]) -> None:
    assert rejection(signed(), **change) == "signature_mismatch"


def test_the_authority_counts_where_it_is_covered() -> None:
    headers = written(ALL, TIMES, **DIGEST)
    assert rejection(headers, authority="evil.test") == "signature_mismatch"
    assert rejection(headers, scheme="http") == "signature_mismatch"
    assert rejection(headers, authority="API.test:443") == "signature_mismatch"
    by_name = written('"@method" "@path" "@query" "@authority" "content-digest"', TIMES, **DIGEST)
    assert verify(by_name, authority="API.test:443")
    assert rejection(by_name, authority="api.test:8443") == "signature_mismatch"


def test_parts_of_the_headers_cannot_be_exchanged() -> None:
    one, other = signed(), signed(created=NOW - 1)
    assert rejection(one | {"Signature": other["Signature"]}) == "signature_mismatch"
    assert rejection(one | {"Signature": one["Signature"].replace("sig1", "sig2")}) == "signature_malformed"
    assert rejection(one | {"Signature": ""}) == "signature_missing"
    assert rejection({name: value for name, value in one.items() if name != "Signature"}) == "signature_missing"
    assert rejection(one | {"Signature-Input": one["Signature-Input"] + ', x=("a")'}) == "signature_malformed"


def test_a_request_has_one_replay_key_whatever_its_label() -> None:
    one = signed()
    relabelled = {name: value.replace("sig1=", "s=") for name, value in one.items()}
    assert verify(relabelled).digest == verify(one).digest
    assert verify(signed(nonce="b")).digest != verify(one).digest
    assert (
        verify(signed(PRIVATE, key_id="ed"), subject="shop").digest
        != verify(signed(OWN, key_id="own"), subject="shop").digest
    )


@given(at=st.integers(0, 500), character=st.sampled_from('ABab019+/=-_:;"() '))
def test_no_changed_header_is_accepted(at: int, character: str) -> None:
    for name, value in signed().items():
        place = at % len(value)
        changed = value[:place] + character + value[place + 1 :]
        # The label and the order of the rest are all that may differ; one changed character never spells them anew.
        if changed != value:
            rejection(signed() | {name: changed})


@given(st.binary(max_size=64), st.sampled_from([SHARED, PRIVATE]))
def test_every_body_can_be_signed(body: bytes, key: Any) -> None:
    key_id, subject = ("shared", "other") if key is SHARED else ("ed", "shop")
    assert verify(signed(key, key_id=key_id, body=body), body=body, subject=subject)
