"""Tokens that must not pass, each with the reason it is to be counted under.

They are made for an API that accepts HS256 with `SECRET` under the key id `key-1`.
"""

import base64
import hmac
import json
import re
import time
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from security.keys import generate_secret

SECRET = generate_secret()
PUBLIC_KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
    "ES256": ec.generate_private_key(ec.SECP256R1()).public_key(),
}
HEADER = {"alg": "HS256", "typ": "JWT", "kid": "key-1"}


def claims(**changes: Any) -> dict[str, Any]:
    """Acceptable claims with changes."""
    now = int(time.time())
    standard = {"iss": "shrike", "aud": "shrike-api", "sub": "mallory", "jti": "t-1", "iat": now, "exp": now + 600}
    return standard | {"roles": ["admin"]} | changes


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forge(payload: Any, header: Any = None, key: bytes = SECRET.encode(), digest: str = "sha256") -> str:
    """Returns a token over exactly these parts (bytes as they are, anything else as JSON), signed with the key."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header or HEADER, payload)]
    signed = ".".join(map(encoded, parts))
    return f"{signed}.{encoded(hmac.new(key, signed.encode(), digest).digest())}"


def public_forms() -> Iterator[tuple[str, bytes]]:
    """Yields public keys in every form in which somebody may take one for an HMAC secret."""
    for name, key in PUBLIC_KEYS.items():
        formats = {"SPKI": PublicFormat.SubjectPublicKeyInfo, "PKCS1": PublicFormat.PKCS1}
        for kind, format_ in list(formats.items())[: 2 if name == "RS256" else 1]:
            pem, der = key.public_bytes(Encoding.PEM, format_), key.public_bytes(Encoding.DER, format_)
            yield f"{name} {kind} PEM", pem
            yield f"{name} {kind} PEM without its last newline", pem.strip()
            yield f"{name} {kind} PEM with CRLF", pem.replace(b"\n", b"\r\n")
            yield f"{name} {kind} PEM in one line", pem.replace(b"\n", b"")
            yield f"{name} {kind} base64", base64.b64encode(der)
            yield f"{name} {kind} base64url", base64.urlsafe_b64encode(der)
            yield f"{name} {kind} hex", der.hex().encode()
            yield f"{name} {kind} DER", der
        jwk = (RSAAlgorithm if name == "RS256" else ECAlgorithm).to_jwk(key, as_dict=True)
        yield f"{name} JWK", json.dumps(jwk).encode()
        yield f"{name} JWKS", json.dumps({"keys": [jwk]}, separators=(",", ":")).encode()


def _headers() -> Iterator[tuple[str, str, str]]:
    for name, value in {
        "jwk": {"kty": "oct", "k": encoded(b"a" * 32)},
        "jku": "https://attacker.test/jwks.json",
        "x5u": "https://attacker.test/cert.pem",
        "x5c": [base64.b64encode(b"certificate").decode()],
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
        "cty": "JWT",
        "enc": "A256GCM",
        "typ": "JOSE",
    }.items():
        header = HEADER | {name: value}
        yield f"{name} in the header", forge(claims(), header), "token_header"
        yield f"{name} in the header, signed with what it brings", forge(claims(), header, b"a" * 32), "token_header"
    for value in ("secevent+jwt", "application/jwt", "", 1, True, None, ["JWT"], "JWT "):
        yield f"typ {value!r}", forge(claims(), HEADER | {"typ": value}), "token_header"
    for value in (
        "key-2",
        "../../../dev/null",
        "..\\key-1",
        "/etc/hostname",
        "key-1\0",
        "key-1\n",
        "key-1' OR '1'='1",
        "key-1; ls",
        "$(id)",
        "http://attacker.test/key",
        "",
        " key-1",
        "KEY-1",
        "k" * 1000,
        None,
        0,
        True,
        ["key-1"],
        {"key-1": 1},
    ):
        yield f"kid {value!r}"[:60], forge(claims(), HEADER | {"kid": value}), "token_key_id"
    yield "kid of an empty key", forge(claims(), HEADER | {"kid": "../../../dev/null"}, b""), "token_key_id"


def _algorithms() -> Iterator[tuple[str, str, str]]:
    for value in ("none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", "hs256"):
        digest = {"HS384": "sha384", "HS512": "sha512"}.get(value, "sha256")
        header = HEADER | {"alg": value}
        yield f"alg {value!r}", forge(claims(), header, digest=digest), "token_algorithm"
        unsigned = forge(claims(), header).rpartition(".")[0]
        yield f"alg {value!r} without a signature", f"{unsigned}.", "token_malformed"
    for other in (None, 1, True, ["HS256"], {"HS256": 1}):
        yield f"alg {other!r}", forge(claims(), HEADER | {"alg": other}), "token_algorithm"
    yield "no alg", forge(claims(), {"typ": "JWT", "kid": "key-1"}), "token_algorithm"
    for name, material in public_forms():
        yield f"HS256 with {name}", forge(claims(), HEADER, material), "token_signature"
        yield f"RS256 with {name}", forge(claims(), HEADER | {"alg": "RS256"}, material), "token_algorithm"
    for weak in (b"", b"\0" * 32, b"secret", b"your-256-bit-secret", SECRET.encode()[:-1], SECRET.encode()[::-1]):
        yield f"a guessed secret of {len(weak)} bytes", forge(claims(), HEADER, weak), "token_signature"


def _claims() -> Iterator[tuple[str, str, str]]:
    now = int(time.time())
    for name in ("exp", "iat", "nbf"):
        for value in (
            str(now + 600),
            float(now + 600),
            f"{now}.0",
            True,
            [now + 600],
            {"a": 1},
            -1,
            0,
            10**12,
            10**400,
        ):
            # Infinity is no JSON, so huge floats come as text in `_json`.
            # The name of a test is the same in every test process, whenever it starts.
            shown = re.sub(r"\d{10}", "TIME", str(value)[:20])
            yield f"{name} {shown!r} ({type(value).__name__})", forge(claims(**{name: value})), "token_claims"
    for name in ("iss", "aud", "sub", "jti", "roles", "exp", "iat"):
        absent = {key: value for key, value in claims().items() if key != name}
        yield f"no {name}", forge(absent), "token_claims"
        yield f"{name} null", forge(claims(**{name: None})), "token_claims"
    yield "iat in the far future", forge(claims(iat=now + 86_400, exp=now + 90_000)), "token_not_yet_valid"
    yield "nbf in the far future", forge(claims(nbf=now + 86_400)), "token_not_yet_valid"
    yield "expired", forge(claims(iat=now - 7200, exp=now - 3600)), "token_expired"
    yield "a life of ten years", forge(claims(exp=now + 10 * 365 * 86_400)), "token_lifetime"
    yield "another issuer", forge(claims(iss="https://attacker.test")), "token_claims"
    yield "another audience", forge(claims(aud="another-api")), "token_claims"


def _json() -> Iterator[tuple[str, str, str]]:
    body, head = json.dumps(claims()).encode(), json.dumps(HEADER).encode()
    for name, value in claims().items():
        twin = body[:-1] + f', "{name}": {json.dumps(value)}}}'.encode()
        yield f"{name} twice in the payload", forge(twin), "token_malformed"
    escaped = body[:-1] + b', "e\\u0078p": 4102444800}'
    yield "exp twice, once escaped", forge(escaped), "token_malformed"
    for name, value in HEADER.items():
        twin = head[:-1] + f', "{name}": "{value}"}}'.encode()
        yield f"{name} twice in the header", forge(claims(), twin), "token_malformed"
    yield "alg twice, none first", forge(claims(), b'{"alg":"none","alg":"HS256","kid":"key-1"}'), "token_malformed"
    for payload in (
        b"",
        b"null",
        b"1",
        b'"a"',
        b"[]",
        b"[" * 2000,
        b"{",
        body + b"{}",
        b"\xff" + body,
        b'{"exp": NaN}',
    ):
        yield f"payload {payload[:12]!r}", forge(payload), "token_malformed"
    yield "payload with a byte order mark", forge(b"\xef\xbb\xbf" + body), "token_malformed"
    yield "exp Infinity", forge(body[:-1] + b', "nbf": Infinity}'), "token_malformed"
    yield "exp 1e400", forge(body.replace(b'"exp": ', b'"exp": 1e400, "was": ')), "token_claims"
    yield "header that is no object", forge(claims(), b"[]"), "token_malformed"


def _compact() -> Iterator[tuple[str, str, str]]:
    token = forge(claims())
    head, payload, signature = token.split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]
    yield "stray bits at the end of the signature", f"{head}.{payload}.{stray}", "token_malformed"
    for at, part in enumerate((head, payload, signature)):
        for name, changed in {
            "padded": part + "=",
            "padded twice": part + "==",
            "with a space": part[:5] + " " + part[5:],
            "with a newline": part[:5] + "\n" + part[5:],
            "with a plus": part[:5] + "+" + part[5:],
            "with a slash": part[:5] + "/" + part[5:],
            "empty": "",
        }.items():
            parts = [head, payload, signature]
            parts[at] = changed
            yield f"part {at} {name}", ".".join(parts), "token_malformed"
    # One character more can never be: five, six … characters encode no whole number of bytes.
    for at in range(3):
        parts = [head, payload, signature]
        parts[at] += "A" * (-(len(parts[at]) - 1) % 4)
        if len(parts[at]) % 4 == 1:
            yield f"part {at} of an impossible length", ".".join(parts), "token_malformed"
    yield "a signature cut short", token[:-3], "token_signature"
    yield "a longer signature", f"{token}AAAA", "token_signature"
    yield "two parts", f"{head}.{payload}", "token_malformed"
    yield "four parts", f"{token}.AAAA", "token_malformed"
    yield "JWE in compact form", f"{encoded(b'{}')}.AAAA.AAAA.AAAA.AAAA", "token_encrypted"
    yield "JWE around our token", f"{token}.AAAA.AAAA", "token_encrypted"
    yield (
        "JWS in JSON form",
        json.dumps({"payload": payload, "protected": head, "signature": signature}),
        "token_malformed",
    )
    yield "a token over 4,096 characters", forge(claims(note="x" * 4096)), "token_oversized"
    yield "a megabyte", "A" * 1_000_000, "token_oversized"
    yield "non-ASCII letters", token.replace("e", "е", 1), "token_malformed"  # noqa: RUF001 - a Cyrillic e


def attacks() -> Iterator[tuple[str, str, str]]:
    """Yields what is tried, the token, and the reason of its refusal."""
    for family in (_headers, _algorithms, _claims, _json, _compact):
        yield from family()
