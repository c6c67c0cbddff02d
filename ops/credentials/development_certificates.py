"""Certificates for a development machine: an authority of its own, and what it issues to servers and clients.

Every name in them starts with `DEVELOPMENT_MARK`, and production refuses those.

| file | for |
| --- | --- |
| `ca.pem`, `ca.key` | the authority; the key is needed only to issue more |
| `server.pem`, `server.key` | any server on this machine or in the compose file |
| `service.pem`, `read.pem`, `admin.pem` and their keys | clients of the API, named by `client_uri` |
| `internal.pem`, `internal.key`, `internal-both.pem` | our own processes towards Redis, MongoDB and Kafka |
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ops.credentials.development_keys import write_new_files
from settings import DEVELOPMENT_MARK

LIFETIME_DAYS = 365
CLIENTS = ("service", "read", "admin", "internal")
SERVER_NAMES = ("localhost", "127.0.0.1", "::1", "web", "redis", "mongo", "kafka")

_AUTHORITY = f"{DEVELOPMENT_MARK}shrike authority"
_CLOCK_SLACK = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as PEM, unencrypted: the file's permissions protect it."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def client_uri(name: str) -> str:
    """Returns the name that a development client's certificate carries.

    >>> client_uri("service")
    'spiffe://dev_shrike/service'
    """
    return f"spiffe://{DEVELOPMENT_MARK}shrike/{name}"


def make_development_certificates(folder: Path, *, server_names: Sequence[str], replace: bool) -> None:
    """Writes an authority, a server's and the clients' certificates into a folder.

    Args:
        folder: made if missing, for this user alone.
        server_names: further host names and addresses of the server's certificate.
        replace: overwrite existing files; clients that trust the old authority do not trust the new certificates.

    Raises:
        ops.errors.OpsError: something exists and was not to be replaced, or the folder cannot be written.
    """
    authority = make_authority()
    names = tuple(dict.fromkeys((*SERVER_NAMES, *server_names)))
    server = issue(authority, common_name=f"{DEVELOPMENT_MARK}shrike server", names=[_general(name) for name in names])
    contents = _files("ca", authority) | _files("server", server)
    for name in CLIENTS:
        uri = x509.UniformResourceIdentifier(client_uri(name))
        client = issue(authority, common_name=f"{DEVELOPMENT_MARK}shrike {name}", names=[uri], is_client=True)
        contents |= _files(name, client)
        if name == "internal":  # MongoDB's clients read both from one file
            contents["internal-both.pem"] = client.key_pem + client.certificate_pem
    write_new_files(folder, contents, replace=replace)


def make_authority() -> Issued:
    """Returns a new authority, which may issue certificates but no further authorities."""
    key = generate_private_key(SECP256R1())
    name = _name(_AUTHORITY)
    builder = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Issued, *, common_name: str, names: Sequence[x509.GeneralName], is_client: bool = False) -> Issued:
    """Returns a new certificate of the authority, for a server or, to be shown to servers, for a client."""
    key = generate_private_key(SECP256R1())
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if is_client else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        _builder(_name(common_name), authority.certificate.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + dt.timedelta(days=LIFETIME_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _files(name: str, issued: Issued) -> dict[str, bytes]:
    return {f"{name}.pem": issued.certificate_pem, f"{name}.key": issued.key_pem}
