import base64
import datetime as dt
import json
import secrets
import textwrap
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from security.errors import KeyUnusableError
from security.keys import check_raw_secret, check_secret
from security.public_material import holds_public_material

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_KEYS: dict[str, Key] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def _b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _b64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


_NOTATIONS: dict[str, Callable[[bytes], str]] = {
    "base64": _b64,
    "base64url": _b64url,
    "base64 in lines": lambda octets: "\n".join(textwrap.wrap(_b64(octets), 64)),
    "base64 in escaped lines": lambda octets: "\\n".join(textwrap.wrap(_b64(octets), 64)),
    "base64 twice": lambda octets: _b64(_b64(octets).encode()),
    "base64 in quotes": lambda octets: f'"{_b64(octets)}"',
    "base64 after a name": lambda octets: f"key:{_b64(octets)}",
    "base64 percent-encoded": lambda octets: quote(_b64(octets), safe=""),
    "data URI": lambda octets: f"data:application/octet-stream;base64,{_b64(octets)}",
    "base32": lambda octets: base64.b32encode(octets).decode(),
    "hexadecimal": bytes.hex,
    "upper-case hexadecimal": lambda octets: octets.hex().upper(),
    "colons": lambda octets: octets.hex(":"),
    "0x": lambda octets: "0x" + octets.hex(),
    "C array": lambda octets: ", ".join(f"0x{octet:02x}" for octet in octets),
    "decimals": lambda octets: str(list(octets)),
}
"""Ways in which octets are written as text."""


def _encodings(key: Key) -> Iterator[tuple[str, bytes]]:
    public = key.public_key()
    yield "SPKI", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield "PEM", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "PKCS#8", key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    yield "SSH", base64.b64decode(line.split()[1])
    if isinstance(public, rsa.RSAPublicKey):
        yield "PKCS#1", public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        yield "certificate", _certificate(key)
    if isinstance(public, ec.EllipticCurvePublicKey):
        yield "point", public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _certificate(key: Key) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=365))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _texts() -> Iterator[tuple[str, str]]:
    for name, key in _KEYS.items():
        for encoding, octets in _encodings(key):
            for notation, write in _NOTATIONS.items():
                yield f"{name}, {encoding}, {notation}", write(octets)
        public = key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        body = "".join(pem.splitlines()[1:-1])
        yield f"{name}, PEM", pem.strip()
        yield f"{name}, PEM in one line", pem.strip().replace("\n", "\\n")
        yield f"{name}, PEM in quotes", json.dumps(pem)
        yield f"{name}, PEM without dashes", pem.replace("-", "").strip()
        yield f"{name}, PEM percent-encoded", quote(pem, safe="")
        yield f"{name}, UTF-16 in base64", _b64(pem.encode("utf-16"))
        yield f"{name}, body without its end", body[:-5]
        yield f"{name}, SSH line", line
        yield f"{name}, SSH line with a comment", f'"{line} idp@example"'
        yield f"{name}, x5c", json.dumps({"x5c": [body]})
        yield f"{name}, list of one", json.dumps([body])
    numbers = _KEYS["rsa"].public_key().public_numbers()  # type: ignore[union-attr]
    modulus = _b64url(numbers.n.to_bytes(256))  # type: ignore[union-attr]
    yield "JWK", json.dumps({"kty": "RSA", "n": modulus, "e": "AQAB"})
    yield "JWK in Python's quotes", str({"kty": "RSA", "n": modulus, "e": "AQAB"})
    yield "JWK in base64", _b64(json.dumps({"kty": "RSA", "n": modulus, "e": "AQAB"}).encode())
    yield "key set", json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlr"}]})
    yield "XML", f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>"
    yield "DID", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    compressed = _KEYS["p256"].public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    yield "compressed point", compressed.hex()
    yield "compressed point with colons", compressed.hex(":")


TEXTS = dict(_texts())


def _refusal(secret: str) -> str:
    try:
        check_secret("JWT_SECRET", secret)
    except KeyUnusableError as error:
        return str(error)
    return "accepted"


def test_a_text_that_decodes_to_a_key_is_no_secret() -> None:
    assert len(TEXTS) > 166
    refusal = "JWT_SECRET is a public or private key or a certificate, not a secret"
    assert {name: _refusal(text) for name, text in TEXTS.items() if not _refusal(text).startswith(refusal)} == {}


@pytest.mark.parametrize("name", list(_KEYS))
def test_neither_are_the_octets_themselves(name: str) -> None:
    for _, octets in _encodings(_KEYS[name]):
        with pytest.raises(KeyUnusableError, match="is a public or private key"):
            check_raw_secret("a client's key", octets)


def test_what_a_generator_makes_is_none() -> None:
    for _ in range(300):
        raw = secrets.token_bytes(48)
        for size in (32, 48):
            for secret in (_b64(raw[:size]), _b64url(raw[:size]), raw[:size].hex(), raw[:size].hex(":")):
                assert not holds_public_material(secret.encode()), secret
        assert not holds_public_material(raw), raw
