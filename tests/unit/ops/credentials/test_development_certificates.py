import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import ClientVerifier, PolicyBuilder, Store, VerificationError

from ops.credentials.development_certificates import client_uri, make_authority, make_development_certificates
from ops.credentials.development_keys import KeysExistError
from settings import DEVELOPMENT_MARK


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "made"
    make_development_certificates(folder, server_names=["api.example", "10.1.2.3"], replace=False)
    return folder


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def client_verifier(authority: x509.Certificate) -> ClientVerifier:
    return PolicyBuilder().store(Store([authority])).build_client_verifier()


def test_the_servers_certificate_is_good_for_its_names(folder: Path) -> None:
    store = Store([certificate(folder, "ca")])
    for name in ("localhost", "redis", "api.example"):
        verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name))
        assert len(verifier.verify(certificate(folder, "server"), [])) == 2
    other = PolicyBuilder().store(store).build_server_verifier(x509.DNSName("elsewhere.example"))
    with pytest.raises(VerificationError):
        other.verify(certificate(folder, "server"), [])


@pytest.mark.parametrize("name", ["service", "read", "admin", "internal"])
def test_a_clients_certificate_names_it_and_is_no_servers(folder: Path, name: str) -> None:
    verified = client_verifier(certificate(folder, "ca")).verify(certificate(folder, name), [])
    assert [subject.value for subject in verified.subjects or ()] == [client_uri(name)]
    verifier = (
        PolicyBuilder().store(Store([certificate(folder, "ca")])).build_server_verifier(x509.DNSName("localhost"))
    )
    with pytest.raises(VerificationError):
        verifier.verify(certificate(folder, name), [])


def test_another_authority_of_the_same_name_vouches_for_nothing(folder: Path) -> None:
    with pytest.raises(VerificationError):
        client_verifier(make_authority().certificate).verify(certificate(folder, "service"), [])


def test_keys_are_for_this_user_alone_and_fit_their_certificates(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for key in folder.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(key.with_suffix(".pem"), key)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(folder / "internal-both.pem")


def test_every_name_carries_the_development_mark(folder: Path) -> None:
    for path in folder.glob("*.pem"):
        if path.name != "internal-both.pem":
            assert DEVELOPMENT_MARK in certificate(folder, path.stem).subject.rfc4514_string()


def test_nothing_is_replaced_unasked(folder: Path) -> None:
    before = (folder / "ca.pem").read_bytes()
    with pytest.raises(KeysExistError, match="exists already; --force"):
        make_development_certificates(folder, server_names=[], replace=False)
    assert (folder / "ca.pem").read_bytes() == before
