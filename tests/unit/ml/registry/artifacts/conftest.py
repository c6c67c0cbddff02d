from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.registry.artifacts.manifest import REQUIRED_FILES
from ml.registry.artifacts.package import package
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner

SCHEMA_HASH = "5" * 64
VERSION = "v20261123T154500-0a1b2c"


@pytest.fixture(scope="session")
def signer() -> ArtifactSigner:
    return ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(range(32))))


@pytest.fixture
def files() -> dict[str, bytes]:
    return {name: f"content of {name}".encode() * 10 for name in REQUIRED_FILES}


@pytest.fixture
def artifact(tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner) -> Path:
    """A sound version directory."""
    return package(
        files,
        version=VERSION,
        directory=tmp_path / "models",
        keys=signer,
        feature_schema_hash=SCHEMA_HASH,
        metrics={"average_precision": 0.5},
        code_version="test",
    )
