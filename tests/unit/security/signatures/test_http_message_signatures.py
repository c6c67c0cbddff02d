"""The request of RFC 9421 appendix B.2 and what the appendix signs of it."""

import contextlib
import hmac
from base64 import b64decode, b64encode, urlsafe_b64decode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from security.errors import SignatureRejectedError
from security.signatures.http_message_signatures import HttpMessage, parse_input, parse_signature, signature_base

FIELDS = {
    "host": "example.com",
    "date": "Tue, 20 Apr 2021 02:07:55 GMT",
    "content-type": "application/json",
    "content-digest": "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew"
    "==:",
    "content-length": "18",
}
REQUEST = HttpMessage("POST", "https", "example.com", "/foo?param=Value&Pet=dog", FIELDS.get)

SHARED_SECRET = b64decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
ED25519_PRIVATE = Ed25519PrivateKey.from_private_bytes(
    urlsafe_b64decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU=")
)
ED25519_PUBLIC = Ed25519PublicKey.from_public_bytes(urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs="))

B21_INPUT = 'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
B23_INPUT = (
    'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length")'
    ';created=1618884473;keyid="test-key-rsa-pss"'
)
B25_INPUT = 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
B25_SIGNATURE = "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"
B26_INPUT = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
B26_SIGNATURE = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"


def base(header: str) -> str:
    return signature_base(REQUEST, parse_input(header)).decode()


def test_b21_the_smallest_signature_base() -> None:
    assert base(B21_INPUT) == (
        '"@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
    )


def test_b23_the_base_that_covers_everything() -> None:
    assert base(B23_INPUT) == "\n".join(
        (
            '"date": Tue, 20 Apr 2021 02:07:55 GMT',
            '"@method": POST',
            '"@path": /foo',
            '"@query": ?param=Value&Pet=dog',
            '"@authority": example.com',
            '"content-type": application/json',
            f'"content-digest": {FIELDS["content-digest"]}',
            '"content-length": 18',
            f'"@signature-params": {B23_INPUT.partition("=")[2]}',
        )
    )


def test_b25_hmac_sha256() -> None:
    signature = hmac.digest(SHARED_SECRET, base(B25_INPUT).encode(), "sha256")
    assert parse_signature(B25_SIGNATURE, "sig-b25") == signature
    assert f"sig-b25=:{b64encode(signature).decode()}:" == B25_SIGNATURE


def test_b26_ed25519() -> None:
    signature = parse_signature(B26_SIGNATURE, "sig-b26")
    ED25519_PUBLIC.verify(signature, base(B26_INPUT).encode())
    assert ED25519_PRIVATE.sign(base(B26_INPUT).encode()) == signature
    with pytest.raises(InvalidSignature):
        ED25519_PUBLIC.verify(signature, base(B26_INPUT).encode() + b"\n")


@pytest.mark.parametrize(
    ("component", "message", "value"),
    [
        ("@method", REQUEST, "POST"),
        ("@scheme", REQUEST, "https"),
        ("@target-uri", REQUEST, "https://example.com/foo?param=Value&Pet=dog"),
        ("@request-target", REQUEST, "/foo?param=Value&Pet=dog"),
        ("@authority", HttpMessage("GET", "https", "EXAMPLE.com:443", "/", FIELDS.get), "example.com"),
        ("@authority", HttpMessage("GET", "http", "example.com:443", "/", FIELDS.get), "example.com:443"),
        ("@authority", HttpMessage("GET", "http", "example.com:80", "/", FIELDS.get), "example.com"),
        ("@query", HttpMessage("GET", "https", "a", "/", FIELDS.get), "?"),
        ("@query", HttpMessage("GET", "https", "a", "/?", FIELDS.get), "?"),
        ("@query", HttpMessage("GET", "https", "a", "/?a?b", FIELDS.get), "?a?b"),
        ("@path", HttpMessage("GET", "https", "a", "/a/../b%2F//c", FIELDS.get), "/a/../b%2F//c"),
        ("x", HttpMessage("GET", "https", "a", "/", {"x": " a \t b\t"}.get), "a \t b"),
        ("x", HttpMessage("GET", "https", "a", "/", {"x": ""}.get), ""),
    ],
)
def test_each_component_has_the_standards_value(component: str, message: HttpMessage, value: str) -> None:
    built = signature_base(message, parse_input(f's=("{component}");created=1')).decode()
    assert built == f'"{component}": {value}\n"@signature-params": ("{component}");created=1'


@pytest.mark.parametrize(
    ("component", "message"),
    [
        ("missing", REQUEST),
        ("@status", REQUEST),
        ("@query-param", REQUEST),
        ("@unknown", REQUEST),
        ("@path", HttpMessage("GET", "https", "a", "http://a/b", FIELDS.get)),
        ("@path", HttpMessage("GET", "https", "a", "*", FIELDS.get)),
        ("@path", HttpMessage("GET", "https", "a", "/a#b", FIELDS.get)),
        ("@path", HttpMessage("GET", "https", "a", "/a b", FIELDS.get)),
        ("@path", HttpMessage("GET", "https", "a", "/ä", FIELDS.get)),
        ("@path", HttpMessage("GET", "https", "a", "/a\n", FIELDS.get)),
        ("@authority", HttpMessage("GET", "https", "ä", "/", FIELDS.get)),
        ("x", HttpMessage("GET", "https", "a", "/", {"x": "a\nb"}.get)),
        ("x", HttpMessage("GET", "https", "a", "/", {"x": "ä"}.get)),
    ],
)
def test_a_component_without_one_plain_value_is_refused(component: str, message: HttpMessage) -> None:
    with pytest.raises(SignatureRejectedError, match="signature_component"):
        signature_base(message, parse_input(f's=("{component}");created=1'))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "s",
        "s=",
        "s=1",
        's="a"',
        "s=(",
        "s=(a)",
        's=("a"',
        's=("a" );created=1',
        's=( "a");created=1',
        's=("a"  "b");created=1',
        's=("a""b");created=1',
        's=("A");created=1',
        's=("a" "a");created=1',
        's=("a";sf);created=1',
        's=("a";bs);created=1',
        's=("@query-param";name="a");created=1',
        's=("@method";req);created=1',
        's=("a\\"b");created=1',
        's=("a\nb");created=1',
        's=("a"); created=1',
        's=("a");created = 1',
        's=("a");created=01',
        's=("a");created=+1',
        's=("a");created=-1',
        's=("a");created=1.0',
        's=("a");created=1e9',
        's=("a");created=9999999999999999',
        's=("a");created="1"',
        's=("a");created=1;created=1',
        's=("a");created=1;created=2',
        's=("a");keyid=1',
        's=("a");keyid=b',
        's=("a");keyid="a";keyid="b"',
        's=("a");keyid="a\\"b"',
        's=("a");keyid="ä"',
        's=("a");created',
        's=("a");created=?1',
        's=("a");unknown=1',
        's=("a");unknown="a"',
        's=("a");CREATED=1',
        'S=("a");created=1',
        '1=("a");created=1',
        's=("a");created=1, t=("a");created=1',
        's=("a");created=1,s=("a");created=1',
        's=("a");created=1\n',
        ' s=("a");created=1',
    ],
)
def test_what_is_not_one_plain_canonical_signature_is_malformed(header: str) -> None:
    with pytest.raises(SignatureRejectedError, match="signature_malformed"):
        parse_input(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "s",
        "s=",
        "s=AAAA",
        "s=::",
        "s=:A:",
        "s=:AAA:",
        "s=:AAB=:",  # stray bits
        "s=:AAAA",
        "s=:AA AA:",
        "s=:AA-_:",
        "t=:AAAA:",
        "s=:AAAA:, t=:AAAA:",
        "s=:AAAA:,s=:AAAA:",
        "s=:AAAA:;a=1",
        " s=:AAAA:",
        "s=:AAAA:\n",
        f"s=:{'A' * 600}:",
    ],
)
def test_what_is_not_one_plain_signature_is_malformed(header: str) -> None:
    with pytest.raises(SignatureRejectedError, match="signature_malformed"):
        parse_signature(header, "s")


@given(st.text(max_size=200))
def test_no_rubbish_crashes(rubbish: str) -> None:
    for read in (parse_input, lambda text: parse_signature(text, "s")):
        with contextlib.suppress(SignatureRejectedError):
            read(rubbish)
