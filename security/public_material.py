"""Recognises half of a key pair in any notation: everybody can sign with a key that is public.

What is asked is not how a text looks but what it decodes to, through base64, hexadecimal, escapes and quotes, one
within the other.
"""

import binascii
import contextlib
import re
from base64 import b32decode, b64decode
from collections.abc import Iterator
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec

_MOST_LAYERS = 5

_WORDS = re.compile(
    r"BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE)"  # PEM, PGP and SSH2, with any dashes around it
    r"|ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp|sk-(?:ssh|ecdsa)-"
    r"|[\"'{,\s]kty[\"']?\s*[:=]|[\"']?x5c[\"']?\s*[:=]"  # JSON Web Keys
    r"|<Modulus>|<X509Certificate>|did:key:|\bz6Mk[1-9A-HJ-NP-Za-km-z]{40}"
)
_OCTETS = re.compile(
    rb"\x2a\x86\x48\x86\xf7\x0d\x01\x01[\x01\x07\x0a]"  # the object ids of RSA, of elliptic curves,
    rb"|\x2a\x86\x48\xce\x3d\x02\x01"
    rb"|\x06\x03\x2b\x65[\x6e-\x71]"  # and of X25519, X448, Ed25519, Ed448
    rb"|\x00\x00\x00.(?:ssh-|ecdsa-sha2-|sk-ssh|sk-ecdsa)"
    rb"|openssh-key-v1\x00",
    re.DOTALL,
)
_MIN_DER_BYTES = 40
"""An Ed25519 key has 44; of random secrets this long one in 65,536 would look like a sequence."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}")
_BASE32 = re.compile(r"[A-Z2-7]{56,}={0,6}")
_HEX_NOISE = re.compile(r"0x|\\x|[\s:,;.{}\[\]\"'-]", re.IGNORECASE)
_DECIMALS = re.compile(r"\d{1,3}(?:\s*[,\s]\s*\d{1,3}){39,}")
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\/": "/", '\\"': '"', "\\u002b": "+", "\\u003d": "=", "\ufeff": ""}
_CURVES = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1())


def holds_public_material(raw: bytes) -> bool:
    """Returns whether a secret is, or contains, a public key, a private key or a certificate."""
    seen: set[bytes] = set()
    waiting = [(raw, _MOST_LAYERS)]
    while waiting:
        octets, layers = waiting.pop()
        if octets in seen:
            continue
        seen.add(octets)
        if _is_public(octets):
            return True
        if layers:
            waiting += [(inner, layers - 1) for inner in _decodings(octets)]
    return False


def _is_public(octets: bytes) -> bool:
    return bool(
        _OCTETS.search(octets)
        or _is_der_sequence(octets)
        or (octets[:1] == b"\x04" and _is_point(octets))
        or _WORDS.search(octets.decode("latin-1"))
    )


def _is_der_sequence(octets: bytes) -> bool:
    """Whether this is one whole ASN.1 sequence, as keys, certificates, requests and containers of keys are."""
    if len(octets) < _MIN_DER_BYTES or octets[0] != 0x30:
        return False
    length, header = octets[1], 2
    if length > 0x80:
        header = 2 + length - 0x80
        length = int.from_bytes(octets[2:header])
    return length + header == len(octets)


def _is_point(octets: bytes) -> bool:
    """Whether this is a point on one of the curves that tokens are signed with."""
    for curve in _CURVES:
        with contextlib.suppress(ValueError):
            ec.EllipticCurvePublicKey.from_encoded_point(curve, octets)
            return True
    return False


def _decodings(octets: bytes) -> Iterator[bytes]:
    """Yields what a text may stand for."""
    if b"\x00" in octets:  # UTF-16
        yield octets.replace(b"\x00", b"").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return
    plain = text
    for escape, character in _ESCAPES.items():
        plain = plain.replace(escape, character)
    yield plain.encode()
    yield unquote(plain).encode("utf-8", "surrogateescape")
    yield from _from_hex(plain)
    yield from _from_decimals(plain)
    compact = "".join(plain.split())
    for run in {*_BASE64.findall(compact), *_BASE64.findall(plain)}:
        yield from _from_base64(run)
    for run in _BASE32.findall(compact):
        with contextlib.suppress(binascii.Error):
            yield b32decode(run.rstrip("=") + "=" * (-len(run.rstrip("=")) % 8))


def _from_hex(text: str) -> Iterator[bytes]:
    with contextlib.suppress(ValueError):
        octets = bytes.fromhex(_HEX_NOISE.sub("", text))
        yield octets
        # Only in this notation: of random secrets of 33 bytes in base64, one in 250 would be such a point.
        if octets[:1] in {b"\x02", b"\x03"} and _is_point(octets):
            yield b"BEGIN KEY"


def _from_decimals(text: str) -> Iterator[bytes]:
    for run in _DECIMALS.findall(text):
        with contextlib.suppress(ValueError):
            yield bytes(int(number) for number in re.findall(r"\d+", run))


def _from_base64(run: str) -> Iterator[bytes]:
    standard = run.replace("-", "+").replace("_", "/")
    # A rest of one character belongs to no byte.
    whole = standard[: len(standard) - (len(standard) % 4 == 1)]
    yield b64decode(whole + "=" * (-len(whole) % 4))
