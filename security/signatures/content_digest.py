"""`Content-Digest` (RFC 9530): the digest of a body, made and checked."""

import hmac
import re
from base64 import b64encode
from hashlib import sha256, sha512

_ALGORITHMS = {"sha-256": sha256, "sha-512": sha512}
_MEMBER = re.compile(r"([a-z0-9-]{1,32})=:([A-Za-z0-9+/]{0,128}={0,2}):")
_SEPARATOR = re.compile(r"[ \t]*,[ \t]*")


def content_digest(body: bytes) -> str:
    """Returns the header's value for a body.

    >>> content_digest(b"")
    'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:'
    """
    return f"sha-256=:{b64encode(sha256(body).digest()).decode()}:"


def fits_body(header: str, body: bytes) -> bool:
    """Returns whether the header holds a right SHA-256 or SHA-512 of the body, and no wrong one.

    Unknown algorithms, and those that RFC 9530 calls insecure, are ignored.
    """
    checked = False
    for member in _SEPARATOR.split(header):
        match = _MEMBER.fullmatch(member)
        if match is None:
            return False
        algorithm = _ALGORITHMS.get(match[1])
        if algorithm is not None:
            expected = b64encode(algorithm(body).digest()).decode()
            if not hmac.compare_digest(expected, match[2]):
                return False
            checked = True
    return checked
