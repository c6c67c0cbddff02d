from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from security.artifacts.artifact_pem import load_private_key, load_public_key, private_key_pem, public_key_pem
from security.errors import KeyUnusableError


@pytest.fixture
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def test_key_files_that_hold_something_else_are_refused(tmp_path: Path, private_key: Ed25519PrivateKey) -> None:
    curve = generate_private_key(SECP256R1())
    contents = {
        "nothing": b"",
        "noise": _noise(),
        "curve": curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "locked": private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "public": public_key_pem(private_key.public_key()),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(KeyUnusableError, match=name):
            load_private_key(tmp_path / name)
    (tmp_path / "curve").write_bytes(curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "private").write_bytes(private_key_pem(private_key))
    for name in ("nothing", "noise", "curve", "private", "absent"):
        with pytest.raises(KeyUnusableError, match=name):
            load_public_key(tmp_path / name)


def _noise() -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\n" + b"AAAA" * 20 + b"\n-----END PRIVATE KEY-----\n"
