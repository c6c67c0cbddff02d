"""Writes a model version: sealed files, canonical manifest, signature, visible all at once or not at all."""

import base64
import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from ml.domain.errors import ArtifactError
from ml.registry.artifacts.manifest import (
    MANIFEST_NAME,
    REQUIRED_FILES,
    SEALED_SUFFIX,
    SIGNATURE_NAME,
    ArtifactFile,
    Manifest,
    is_version,
)
from security.artifacts.artifact_encryption import EncryptionContext
from security.artifacts.artifact_keys import ArtifactSigner

STAGING_PREFIX = ".staging-"


def package(
    files: Mapping[str, bytes],
    *,
    version: str,
    directory: Path,
    keys: ArtifactSigner,
    feature_schema_hash: str,
    metrics: Mapping[str, float],
    code_version: str,
) -> Path:
    """Seals, signs and writes a version below `directory`; returns the version's own directory.

    Args:
        files: content by name; at least `REQUIRED_FILES`.
        version: from `new_version`.
        directory: the registry folder, made if missing.
        keys: the trainer's keys.
        feature_schema_hash: of the features that the model expects.
        metrics: finite figures for listings.
        code_version: version of the code that trained.

    Raises:
        ArtifactError: check `format` if a name, the version or a figure is not acceptable; check `files` if
            the version exists already or the folder cannot be written. Nothing is left behind.
    """
    if not is_version(version):
        raise ArtifactError("format", f"{version!r} is not a version id")
    missing = sorted(REQUIRED_FILES - files.keys())
    if missing:
        raise ArtifactError("format", f"the version lacks {', '.join(missing)}")
    data_key, wrapped = keys.encryption_key.new_data_key(EncryptionContext(version, keys.key_id))
    sealed = {name: data_key.encrypt(name, content) for name, content in files.items()}
    try:
        manifest = Manifest(
            format=1,
            version=version,
            key_id=keys.key_id,
            created_at=datetime.now(UTC).replace(microsecond=0),
            code_version=code_version,
            feature_schema_hash=feature_schema_hash,
            metrics=dict(metrics),
            wrapped_data_key=base64.b64encode(wrapped).decode(),
            files=tuple(_describe(name, files[name], sealed[name]) for name in sorted(files)),
        ).canonical()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ArtifactError("format", f"the manifest cannot hold {first['loc']}: {first['msg']}") from error
    signature = base64.b64encode(keys.sign(manifest)).decode()
    contents = {name + SEALED_SUFFIX: content for name, content in sealed.items()}
    contents[MANIFEST_NAME] = manifest
    contents[SIGNATURE_NAME] = f"ed25519 {keys.key_id} {signature}\n".encode()
    return _write_directory(directory / version, contents)


def _describe(name: str, content: bytes, sealed: bytes) -> ArtifactFile:
    return ArtifactFile(
        name=name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sealed_size=len(sealed),
        sealed_sha256=hashlib.sha256(sealed).hexdigest(),
    )


def _write_directory(target: Path, contents: Mapping[str, bytes]) -> Path:
    """Writes all files into a staging folder beside the target, then renames it; durable when it returns."""
    staging = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise ArtifactError("files", f"{target} exists already")
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=target.parent))
        # mkdtemp makes the folder private; its content is sealed, and other users' workers must read it.
        staging.chmod(0o755)
        for name, content in contents.items():
            with (staging / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync_directory(staging)
        staging.rename(target)
        _sync_directory(target.parent)
    except OSError as error:
        raise ArtifactError("files", f"{target} cannot be written: {error.strerror}") from error
    finally:
        if staging is not None:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(staging)
    return target


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
