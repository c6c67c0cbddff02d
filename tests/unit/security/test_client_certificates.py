import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from security.client_certificates import CertificateMap
from security.errors import KeyUnusableError, TokenRejectedError
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from security.roles import Role
from security.tokens.token_claims import Identity
from settings import Settings

IDENTITIES = {
    "URI:spiffe://shop/checkout": ("checkout", ["service"]),
    "DNS:reader.example": ("reader", ["read"]),
    "CN:operator": ("operator", ["admin", "read"]),
}


def described(*names: tuple[str, str], common_name: str = "somebody", **changes: Any) -> dict[str, Any]:
    """Returns a certificate as `ssl.SSLSocket.getpeercert` describes it."""
    return {
        "subject": ((("commonName", common_name),),),
        "subjectAltName": names,
        "serialNumber": "0A1B",
        "notBefore": "Jan  1 00:00:00 2026 GMT",
        "notAfter": "Jan  1 00:00:00 2036 GMT",
    } | changes


def make_map(clock: Callable[[], float] = time.time, revocations: MemoryRevocations | None = None) -> CertificateMap:
    revoked = RevocationList(revocations or MemoryRevocations(), leeway_seconds=30, refresh_seconds=0)
    return CertificateMap(IDENTITIES, revocations=revoked, clock=clock)


@pytest.mark.parametrize(
    ("certificate", "subject", "roles"),
    [
        (described(("URI", "spiffe://shop/checkout")), "checkout", {Role.SERVICE}),
        (described(("DNS", "other.example"), ("DNS", "reader.example")), "reader", {Role.READ}),
        (described(common_name="operator"), "operator", {Role.ADMIN, Role.READ}),
    ],
)
def test_a_mapped_name_gives_subject_and_roles(certificate: dict[str, Any], subject: str, roles: set[Role]) -> None:
    identity = make_map().read(certificate)
    assert (identity.subject, identity.roles, identity.token_id) == (subject, frozenset(roles), "0A1B")


@pytest.mark.parametrize(
    "certificate",
    [
        described(),
        described(("URI", "spiffe://shop/checkout/more")),
        described(("URI", "SPIFFE://shop/checkout")),
        described(("DNS", "spiffe://shop/checkout")),
        described(("email", "operator")),
        described(("URI", "spiffe://shop/checkout"), common_name="operator"),
        described(common_name="operator\x00"),
    ],
    ids=["no name", "longer", "other case", "another kind", "e-mail", "two subjects", "NUL"],
)
def test_any_other_name_is_refused(certificate: dict[str, Any]) -> None:
    with pytest.raises(TokenRejectedError, match="certificate_unknown"):
        make_map().read(certificate)


def test_without_a_verified_certificate_there_is_no_identity() -> None:
    with pytest.raises(TokenRejectedError, match="certificate_missing"):
        make_map().read({})
    for connection in (None, "a header", socket.socket()):
        with pytest.raises(TokenRejectedError, match="certificate_missing"):
            make_map().identify(connection)
        if isinstance(connection, socket.socket):
            connection.close()


def test_a_certificate_ends_with_its_date_though_its_connection_lives() -> None:
    certificates = make_map(clock=lambda: 2_082_758_399.0)
    identity = certificates.read(described(common_name="operator"))
    assert isinstance(identity, Identity)
    certificates._check(identity)
    late = make_map(clock=lambda: 2_082_758_400.0)
    with pytest.raises(TokenRejectedError, match="certificate_expired"):
        late._check(identity)


@pytest.mark.parametrize(
    ("identities", "sentence"),
    [
        ({"operator": ("operator", ["admin"])}, "is none of URI:…, DNS:… and CN:…"),
        ({"CN:": ("operator", ["admin"])}, "is none of"),
        ({"CN:operator": ("operator", ["root"])}, "needs a subject and roles"),
        ({"CN:operator": ("two words", ["admin"])}, "needs a subject and roles"),
    ],
)
def test_a_map_that_cannot_be_meant_stops_the_start(identities: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KeyUnusableError, match=sentence):
        CertificateMap(identities, revocations=RevocationList(MemoryRevocations(), leeway_seconds=30))


def test_mtls_only_names_what_it_lacks() -> None:
    revocations = RevocationList(MemoryRevocations(), leeway_seconds=30)
    files: dict[str, Any] = {}
    for name in ("tls_certificate_file", "tls_key_file", "tls_client_ca_file"):
        with pytest.raises(KeyUnusableError, match=name.upper()):
            CertificateMap.from_settings(Settings(_env_file=None, **files), revocations=revocations)
        files[name] = "x.pem"
    with pytest.raises(KeyUnusableError, match="MTLS_IDENTITIES is empty"):
        CertificateMap.from_settings(Settings(_env_file=None, **files), revocations=revocations)
