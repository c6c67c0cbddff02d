import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from security.artifacts.artifact_encryption import DecryptionError, EncryptionContext, EncryptionKey
from security.artifacts.artifact_keys import ArtifactSignatureError, ArtifactSigner, ArtifactVerifier
from security.artifacts.artifact_pem import private_key_pem, public_key_pem
from security.errors import KeyUnusableError
from settings import Settings

ENCRYPTION_TEXT = base64.b64encode(bytes(32)).decode()


@pytest.fixture
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def signer(private_key: Ed25519PrivateKey) -> ArtifactSigner:
    return ArtifactSigner("key-1", private_key, EncryptionKey(bytes(32)))


def _settings(tmp_path: Path, private_key: Ed25519PrivateKey, **changes: object) -> Settings:
    (tmp_path / "private.pem").write_bytes(private_key_pem(private_key))
    (tmp_path / "public.pem").write_bytes(public_key_pem(private_key.public_key()))
    values: dict[str, object] = {
        "artifact_signing_key_file": tmp_path / "private.pem",
        "artifact_verify_key_file": tmp_path / "public.pem",
        "artifact_key_id": "key-1",
        "artifact_encryption_key": ENCRYPTION_TEXT,
    }
    return Settings(_env_file=None, **(values | changes))  # type: ignore[arg-type]


def test_a_signature_verifies(signer: ArtifactSigner) -> None:
    signer.verifier().verify(b"manifest", signature=signer.sign(b"manifest"), key_id="key-1")


def test_a_changed_manifest_does_not_verify(signer: ArtifactSigner) -> None:
    with pytest.raises(ArtifactSignatureError, match="does not match"):
        signer.verifier().verify(b"manifesT", signature=signer.sign(b"manifest"), key_id="key-1")


def test_a_key_that_left_service_is_not_accepted(signer: ArtifactSigner) -> None:
    successor = ArtifactSigner("key-2", Ed25519PrivateKey.generate(), signer.encryption_key)
    with pytest.raises(ArtifactSignatureError, match="not accepted"):
        successor.verifier().verify(b"manifest", signature=signer.sign(b"manifest"), key_id="key-1")


def test_another_key_under_the_same_id_does_not_verify(signer: ArtifactSigner) -> None:
    impostor = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), signer.encryption_key)
    with pytest.raises(ArtifactSignatureError, match="does not match"):
        signer.verifier().verify(b"manifest", signature=impostor.sign(b"manifest"), key_id="key-1")


def test_a_bare_signature_of_the_bytes_does_not_verify(signer: ArtifactSigner, private_key: Ed25519PrivateKey) -> None:
    with pytest.raises(ArtifactSignatureError):
        signer.verifier().verify(b"manifest", signature=private_key.sign(b"manifest"), key_id="key-1")


def test_keys_come_from_settings(tmp_path: Path, private_key: Ed25519PrivateKey) -> None:
    settings = _settings(tmp_path, private_key)
    signature = ArtifactSigner.from_settings(settings).sign(b"manifest")
    ArtifactVerifier.from_settings(settings).verify(b"manifest", signature=signature, key_id="key-1")


@pytest.mark.parametrize("name", ["artifact_signing_key_file", "artifact_key_id", "artifact_encryption_key"])
def test_a_missing_setting_of_the_trainer_is_named(tmp_path: Path, private_key: Ed25519PrivateKey, name: str) -> None:
    with pytest.raises(KeyUnusableError, match=name.upper()):
        ArtifactSigner.from_settings(_settings(tmp_path, private_key, **{name: None}))


@pytest.mark.parametrize("name", ["artifact_verify_key_file", "artifact_key_id", "artifact_encryption_key"])
def test_a_missing_setting_of_a_loader_is_named(tmp_path: Path, private_key: Ed25519PrivateKey, name: str) -> None:
    with pytest.raises(KeyUnusableError, match=name.upper()):
        ArtifactVerifier.from_settings(_settings(tmp_path, private_key, **{name: None}))


@pytest.mark.parametrize("key_id", ["", "a b", "a" * 65, "../x", "a\n"])
def test_a_malformed_key_id_is_refused(private_key: Ed25519PrivateKey, key_id: str) -> None:
    with pytest.raises(KeyUnusableError, match="key id"):
        ArtifactSigner(key_id, private_key, EncryptionKey(bytes(32)))


def test_an_unusable_encryption_key_is_named(tmp_path: Path, private_key: Ed25519PrivateKey) -> None:
    settings = _settings(tmp_path, private_key, artifact_encryption_key="not a key")
    with pytest.raises(KeyUnusableError, match="ARTIFACT_ENCRYPTION_KEY") as caught:
        ArtifactVerifier.from_settings(settings)
    assert "not a key" not in str(caught.value)


def test_both_encryption_keys_of_a_rotation_open_a_version(tmp_path: Path, private_key: Ed25519PrivateKey) -> None:
    old, new = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    context = EncryptionContext("v20261123T154500-0a1b2c", "key-1")
    wrapped = EncryptionKey.from_text(old).new_data_key(context)[1]
    for present, previous in ((old, None), (old, new), (new, old)):
        changes = {"artifact_encryption_key": present, "artifact_previous_encryption_key": previous}
        verifier = ArtifactVerifier.from_settings(_settings(tmp_path, private_key, **changes))
        assert verifier.unwrap(wrapped, context).context == context
    alone = ArtifactVerifier.from_settings(_settings(tmp_path, private_key, artifact_encryption_key=new))
    with pytest.raises(DecryptionError):
        alone.unwrap(wrapped, context)


def test_an_unusable_previous_encryption_key_is_named(tmp_path: Path, private_key: Ed25519PrivateKey) -> None:
    settings = _settings(tmp_path, private_key, artifact_previous_encryption_key="c2hvcnQ=")
    with pytest.raises(KeyUnusableError, match="ARTIFACT_PREVIOUS_ENCRYPTION_KEY is not usable"):
        ArtifactVerifier.from_settings(settings)
