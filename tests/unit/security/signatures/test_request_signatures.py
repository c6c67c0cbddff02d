import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from security.errors import KeyUnusableError, SignatureRejectedError
from security.keys import generate_secret
from security.signatures.client_keys import ClientKey, FixedClientKeys, shared_key
from security.signatures.request_signatures import (
    SignatureForm,
    SignatureVerifier,
    VerifiedSignature,
    canonical_string,
    sign,
)
from settings import Settings

KEY = generate_secret().encode()
NOW = 1_700_000_000

methods = st.sampled_from(["GET", "POST", "PUT", "DELETE"])
paths = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="|"), max_size=60).map(
    "/".__add__
)
bodies = st.binary(max_size=200)


def verify(
    signature: str | None,
    *,
    method: str = "POST",
    path: str = "/predictions/score",
    timestamp: str | None = str(NOW),
    body: bytes = b"{}",
    legacy: bool = False,
    now: float = NOW,
) -> VerifiedSignature:
    verifier = SignatureVerifier(shared_key(KEY), accept_legacy_hex=legacy)
    return verifier.verify(
        method=method, path=path, timestamp_header=timestamp, signature_header=signature, body=body, now=now
    )


def good(**changes: object) -> str:
    request = {"method": "POST", "path": "/predictions/score", "timestamp": str(NOW), "body": b"{}"} | changes
    return sign(KEY, **request)


def rejection(signature: str | None, **request: object) -> str:
    with pytest.raises(SignatureRejectedError) as refused:
        verify(signature, **request)
    return refused.value.reason


def test_the_signature_is_the_contracts() -> None:
    expected = hmac.new(KEY, b"POST|/labels?dry=1|1700000000|{}", hashlib.sha256).digest()
    assert good(path="/labels?dry=1") == base64.b64encode(expected).decode()


@given(methods, paths, bodies)
def test_what_was_signed_verifies(method: str, path: str, body: bytes) -> None:
    signature = sign(KEY, method=method, path=path, timestamp=NOW, body=body)
    verified = verify(signature, method=method, path=path, body=body)
    assert verified.form is SignatureForm.HEADER
    assert base64.b64encode(bytes.fromhex(verified.digest)).decode() == signature


@given(
    signed=st.tuples(methods, paths, st.integers(NOW - 100, NOW + 100), bodies),
    sent=st.tuples(methods, paths, st.integers(NOW - 100, NOW + 100), bodies),
)
def test_a_signature_fits_no_other_request(
    signed: tuple[str, str, int, bytes], sent: tuple[str, str, int, bytes]
) -> None:
    method, path, timestamp, body = signed
    signature = sign(KEY, method=method, path=path, timestamp=timestamp, body=body)
    method, path, timestamp, body = sent
    if sent != signed:
        assert (
            rejection(signature, method=method, path=path, timestamp=str(timestamp), body=body) == "signature_mismatch"
        )


@given(at=st.integers(0, 43), character=st.sampled_from("ABCxyz019+/=-_ "))
def test_no_changed_signature_is_accepted(at: int, character: str) -> None:
    signature = good()
    changed = signature[:at] + character + signature[at + 1 :]
    if changed != signature:
        assert rejection(changed) in {"signature_malformed", "signature_mismatch"}


@given(path=paths, body=bodies)
def test_no_changed_path_is_accepted(path: str, body: bytes) -> None:
    signature = sign(KEY, method="POST", path=path, timestamp=NOW, body=body)
    for change in (
        path + "/",
        path + "?",
        path.swapcase(),
        "/" + path,
        path.replace("/", "//"),
        path + "%20",
        path[:-1],
    ):
        if change != path:
            assert rejection(signature, path=change, body=body) == "signature_mismatch"


def test_fields_cannot_slide_into_each_other() -> None:
    """`|` in a path would let one signature stand for two requests: path `/a` with body `2|x`, path `/a|1` with `x`."""
    signature = sign(KEY, method="POST", path="/a", timestamp=NOW, body=f"{NOW}|x".encode())
    twin = {"path": f"/a|{NOW}", "body": b"x"}
    assert canonical_string("POST", twin["path"], str(NOW), b"x") == canonical_string(
        "POST", "/a", str(NOW), f"{NOW}|x".encode()
    )
    assert rejection(signature, **twin) == "signature_mismatch"
    assert (
        rejection(sign(KEY, method="POST", path="/a|b", timestamp=NOW, body=b"{}"), path="/a|b") == "signature_mismatch"
    )


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "timestamp_missing"),
        ("", "timestamp_missing"),
        ("now", "timestamp_malformed"),
        ("1700000000.5", "timestamp_malformed"),
        ("-1700000000", "timestamp_malformed"),
        ("+1700000000", "timestamp_malformed"),
        (" 1700000000", "timestamp_malformed"),
        ("01700000000", "timestamp_malformed"),
        ("1_700_000_000", "timestamp_malformed"),
        ("\u0661\u0667\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660", "timestamp_malformed"),
        ("1700000000000", "timestamp_malformed"),
        ("1e9", "timestamp_malformed"),
        (str(NOW - 121), "timestamp_skew"),
        (str(NOW + 121), "timestamp_skew"),
    ],
)
def test_a_timestamp_must_be_recent_epoch_seconds(header: str | None, reason: str) -> None:
    assert rejection(good(timestamp=header or ""), timestamp=header) == reason


@pytest.mark.parametrize("offset", [-119, 0, 119])
def test_a_timestamp_within_the_skew_is_accepted(offset: int) -> None:
    assert verify(good(timestamp=str(NOW + offset)), timestamp=str(NOW + offset))


def test_time_is_checked_before_the_signature() -> None:
    assert rejection(None, timestamp=str(NOW - 500)) == "timestamp_skew"
    assert rejection(None) == "signature_missing"


@pytest.mark.parametrize(
    "signature",
    ["x", "AAAA", good()[:-1], good() + "=", " " + good(), good() + "\n", "é" * 44, "sha256=" + good()],
    ids=["short", "four", "unpadded", "padded twice", "space before", "line end", "not ASCII", "prefixed"],
)
def test_what_is_no_signature_is_malformed(signature: str) -> None:
    assert rejection(signature) == "signature_malformed"


def test_the_legacy_form_is_refused_unless_enabled_and_then_marked() -> None:
    legacy = base64.b64decode(good()).hex()
    assert rejection(legacy) == "signature_malformed"
    assert verify(legacy, legacy=True) == VerifiedSignature(legacy, SignatureForm.LEGACY_HEX)
    assert verify(good(), legacy=True).form is SignatureForm.HEADER
    assert rejection(legacy.upper(), legacy=True) == "signature_malformed"
    assert rejection("0" * 64, legacy=True) == "signature_mismatch"


def test_both_forms_of_a_signature_are_one_replay() -> None:
    legacy = base64.b64decode(good()).hex()
    assert verify(legacy, legacy=True).digest == verify(good(), legacy=True).digest


def test_a_lower_case_method_or_a_raw_non_ascii_path_is_refused() -> None:
    assert rejection(good(method="post"), method="post") == "signature_mismatch"
    assert rejection(good(path="/ü"), path="/ü") == "signature_mismatch"


def test_the_verifier_takes_key_and_skew_from_the_settings() -> None:
    settings = Settings(_env_file=None, hmac_key=SecretStr(KEY.decode()), hmac_max_skew_seconds=10)
    verifier = SignatureVerifier.from_settings(settings)
    with pytest.raises(SignatureRejectedError, match="timestamp_skew"):
        verifier.verify(
            method="GET", path="/", timestamp_header=str(NOW), signature_header=good(), body=b"", now=NOW + 11
        )


def test_a_missing_key_stops_the_start() -> None:
    with pytest.raises(KeyUnusableError, match="HMAC_KEY is not set"):
        SignatureVerifier.from_settings(Settings(_env_file=None))


# Keys of a client's own

OLD, NEW = generate_secret().encode(), generate_secret().encode()
RING = FixedClientKeys(
    [
        ClientKey("shared", "hmac-sha256", KEY),
        ClientKey("shop-old", "hmac-sha256", OLD, "shop"),
        ClientKey("shop-new", "hmac-sha256", NEW, "shop"),
        ClientKey("shop-ed", "ed25519", Ed25519PrivateKey.generate().public_key(), "shop"),
    ]
)


def verify_as(subject: str, key_id: str | None, key: bytes) -> VerifiedSignature:
    signature = sign(key, method="GET", path="/", timestamp=NOW, body=b"")
    return SignatureVerifier(RING).verify(
        method="GET",
        path="/",
        timestamp_header=str(NOW),
        signature_header=signature,
        body=b"",
        key_id_header=key_id,
        subject=subject,
        now=NOW,
    )


def test_both_live_keys_of_a_client_sign_for_it_under_their_names() -> None:
    assert verify_as("shop", "shop-old", OLD).key_id == "shop-old"
    assert verify_as("shop", "shop-new", NEW).key_id == "shop-new"
    assert verify_as("other", None, KEY).key_id == "shared"


@pytest.mark.parametrize(
    ("subject", "key_id", "key", "reason"),
    [
        ("shop", "shop-old", NEW, "signature_mismatch"),
        ("shop", "shop-new", KEY, "signature_mismatch"),
        ("shop", None, KEY, "signature_key_id"),
        ("shop", "shared", KEY, "signature_key_id"),
        ("shop", None, OLD, "signature_key_id"),
        ("shop", "shop-ed", OLD, "signature_key_id"),
        ("shop", "shop-older", OLD, "signature_key_id"),
        ("shop", "../shop-old", OLD, "signature_key_id"),
        ("shop", "SHOP-OLD", OLD, "signature_key_id"),
        ("other", "shop-old", OLD, "signature_key_id"),
        ("other", None, OLD, "signature_mismatch"),
    ],
    ids={KEY: "KEY", OLD: "OLD", NEW: "NEW"}.get,
)
def test_a_key_signs_for_nobody_else_and_under_no_other_name(
    subject: str, key_id: str | None, key: bytes, reason: str
) -> None:
    with pytest.raises(SignatureRejectedError) as refused:
        verify_as(subject, key_id, key)
    assert refused.value.reason == reason


def test_the_previous_shared_key_still_signs() -> None:
    ring = FixedClientKeys([ClientKey("shared", "hmac-sha256", NEW), ClientKey("shared-previous", "hmac-sha256", OLD)])
    verifier = SignatureVerifier(ring)
    for key, key_id in ((NEW, "shared"), (OLD, "shared-previous")):
        signature = sign(key, method="GET", path="/", timestamp=NOW, body=b"")
        verified = verifier.verify(
            method="GET", path="/", timestamp_header=str(NOW), signature_header=signature, body=b"", now=NOW
        )
        assert verified.key_id == key_id
