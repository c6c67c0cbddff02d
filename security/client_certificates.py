"""Client certificates as credentials: a map in the settings gives each certificate a subject and roles.

TLS has verified the certificate against `TLS_CLIENT_CA_FILE` before this module sees it, so only its names count: a URI
or DNS name among its alternative names, or its subject's common name. A certificate in a request header is ignored.
"""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from security.errors import KeyUnusableError, TokenRejectedError
from security.names import is_name
from security.revocations.revocation import Revocations
from security.roles import Role
from security.tokens.token_claims import Identity
from settings import Environment, Settings

MAX_REMEMBERED = 1024

_KINDS = ("URI", "DNS", "CN")
_ROLES = {role.value: role for role in Role}


class CertificateMap:
    """Gives certificates their subject and roles.

    A certificate is read once and remembered by its bytes. Its dates and the revocations of its subject and serial
    number are checked with every request, because the connection may outlast them.

    Args:
        identities: name, as in `URI:spiffe://shop/checkout`, `DNS:checkout.example` or `CN:checkout`, to subject and
            roles.
        revocations: of subjects, and of serial numbers as token ids.
        clock: epoch seconds.

    Raises:
        KeyUnusableError: a name or role has no valid form.
    """

    def __init__(
        self,
        identities: Mapping[str, tuple[str, list[str]]],
        *,
        revocations: Revocations,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identities = dict(_checked(identities))
        self._revocations = revocations
        self._clock = clock
        self._read: dict[bytes, Identity] = {}

    @classmethod
    def from_settings(cls, settings: Settings, *, revocations: Revocations) -> Self:
        """Returns the map of the settings.

        Raises:
            KeyUnusableError: a setting that MTLS_ONLY needs is missing; start-up must stop.
        """
        check_map(settings)
        return cls(settings.mtls_identities, revocations=revocations)

    def identify(self, connection: object) -> Identity:
        """Returns the identity of a connection's certificate.

        Raises:
            TokenRejectedError: reason `certificate_missing`, `certificate_unknown`, `certificate_expired` or
                `certificate_revoked`.
            RevocationsUnavailableError: the revocations are not known.
        """
        if not isinstance(connection, ssl.SSLSocket):
            raise TokenRejectedError("certificate_missing")
        encoded = connection.getpeercert(binary_form=True)
        # A certificate that TLS did not verify has bytes and no names.
        if not encoded:
            raise TokenRejectedError("certificate_missing")
        identity = self._read.get(encoded)
        if identity is None:
            identity = self.read(connection.getpeercert() or {})
            if len(self._read) >= MAX_REMEMBERED:
                self._read.clear()
            self._read[encoded] = identity
        self._check(identity)
        return identity

    def read(self, certificate: Mapping[str, Any]) -> Identity:
        """Returns the identity of a certificate, in the form of `ssl.SSLSocket.getpeercert`.

        Raises:
            TokenRejectedError: it is missing, or the map gives its names no subject or several.
        """
        if not certificate:
            raise TokenRejectedError("certificate_missing")
        named = {self._identities[name] for name in _names(certificate) if name in self._identities}
        if len(named) != 1:
            raise TokenRejectedError("certificate_unknown")
        [(subject, roles)] = named
        return Identity(
            subject=subject,
            roles=roles,
            token_id=str(certificate["serialNumber"]),
            expires_at=int(ssl.cert_time_to_seconds(certificate["notAfter"])),
            issued_at=int(ssl.cert_time_to_seconds(certificate["notBefore"])),
        )

    def _check(self, identity: Identity) -> None:
        if self._clock() >= identity.expires_at:
            raise TokenRejectedError("certificate_expired")
        # Asking for the generation reads the list when it is due.
        _ = self._revocations.generation
        # A revocation lasts as long as a token can live; to shut a client out for good, take it out of the map.
        if self._revocations.covers(token_id=identity.token_id, subject=identity.subject, issued_at=identity.issued_at):
            raise TokenRejectedError("certificate_revoked")


def check_map(settings: Settings) -> None:
    """Refuses settings with which MTLS_ONLY cannot work.

    Raises:
        KeyUnusableError: a setting is missing, or a name or role has no valid form.
    """
    for name in ("tls_certificate_file", "tls_key_file", "tls_client_ca_file"):
        if getattr(settings, name) is None:
            is_production = settings.environment is Environment.PRODUCTION
            source = "name one of your own authority" if is_production else "`python -m ops certs` makes it"
            raise KeyUnusableError(f"MTLS_ONLY needs {name.upper()}; {source}.")
    if not settings.mtls_identities:
        raise KeyUnusableError("MTLS_ONLY lets nobody in while MTLS_IDENTITIES is empty; name subjects and roles.")
    dict(_checked(settings.mtls_identities))


def _names(certificate: Mapping[str, Any]) -> Iterator[str]:
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in _KINDS:
            yield f"{kind}:{value}"
    for attributes in certificate.get("subject", ()):
        for name, value in attributes:
            if name == "commonName":
                yield f"CN:{value}"


def _checked(
    identities: Mapping[str, tuple[str, list[str]]],
) -> Iterator[tuple[str, tuple[str, frozenset[Role]]]]:
    for name, (subject, roles) in identities.items():
        kind, _, value = name.partition(":")
        if kind not in _KINDS or not value:
            raise KeyUnusableError(f"MTLS_IDENTITIES: {name} is none of URI:…, DNS:… and CN:….")
        unknown = sorted(set(roles) - _ROLES.keys())
        if unknown or not is_name(subject):
            raise KeyUnusableError(f"MTLS_IDENTITIES: {name} needs a subject and roles of {', '.join(_ROLES)}.")
        yield name, (subject, frozenset(_ROLES[role] for role in roles))
