"""A token that the API of the same settings accepts, or a sentence that says why there is none."""

from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from ops.errors import OpsError
from security.tokens.minted_tokens import TokenRequest
from security.tokens.token_issuer import issue_token
from security.tokens.token_keys import verification_keys
from settings import Settings


def mint(settings: Settings, wanted: TokenRequest, *, private_key: Path | None) -> str:
    """Returns the signed token.

    Args:
        settings: of the API.
        wanted: what it says.
        private_key: PEM file of the issuer; none for HS256.

    Raises:
        OpsError: the key is missing, superfluous, or not that of the API.
        security.errors.KeyUnusableError: JWT_SECRET is missing or weak.
    """
    algorithm = settings.jwt_algorithm
    if (algorithm == "HS256") != (private_key is None):
        raise OpsError(
            "JWT_ALGORITHM is HS256, whose key is JWT_SECRET; leave --private-key out."
            if private_key
            else f"JWT_ALGORITHM is {algorithm}: --private-key names the issuer's key, or its issuer mints the token."
        )
    if settings.jwt_key_id is None and (settings.jwt_jwks_file or settings.jwt_jwks_url):
        raise OpsError("Keys come from a key set: set JWT_KEY_ID to the name that the issuer's key has in it.")
    try:
        pem = None if private_key is None else private_key.read_bytes()
        if pem is not None:
            load_pem_private_key(pem, password=None)  # PyJWT would take a public key and fail over it
        token = issue_token(
            settings,
            subject=wanted.subject,
            roles=wanted.roles,
            lifetime_seconds=wanted.expires_at - wanted.issued_at,
            token_id=wanted.token_id,
            private_key=pem,
            now=wanted.issued_at,
        )
        if pem is not None and settings.jwt_public_key_file is not None:
            current = verification_keys(settings)[0]
            PyJWS().decode(token, current.key, algorithms=[algorithm])
    except (PyJWTError, ValueError, TypeError) as error:
        raise OpsError(f"{private_key} is not the private key of the API's {algorithm} key; name that one.") from error
    return token
