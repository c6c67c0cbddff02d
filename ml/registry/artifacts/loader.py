"""Loads a model version, or says which check it failed.

The checks run in this order, each on bytes that are read exactly once:

1. `files`: regular files, no symbolic links, bounded count and size;
2. `signature`: of the manifest's bytes, by a key id that is accepted now, before anything in it is believed; and made
   while that key was valid;
3. `version`: the directory's own, not revoked, and not older than the last one accepted;
4. `hash`: every sealed file is the one the manifest names;
5. `decryption`: every file opens, bound to its name, version and key id;
6. `format` and `schema`: layout, required files, feature schema.

The runtime goes on: `ml.serving.graph_check` checks the graph's nodes, the golden vectors check that it still computes
the same outputs, within `ml.serving.memory_guard`. Nothing is ever unpickled.
"""

import base64
import binascii
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from ml.domain.errors import ArtifactError
from ml.registry.artifacts.manifest import (
    MANIFEST_NAME,
    REQUIRED_FILES,
    SEALED_SUFFIX,
    SIGNATURE_NAME,
    ArtifactFile,
    Manifest,
)
from security.artifacts.artifact_encryption import DecryptionError, EncryptionContext
from security.artifacts.artifact_keys import SIGNATURE_BYTES, ArtifactSignatureError, ArtifactVerifier
from security.artifacts.artifact_trust import VersionRevokedError
from security.errors import SecurityError
from security.names import ARTIFACT_KEY_ID

MANIFEST_LIMIT_BYTES = 256 * 1024
SIGNATURE_LIMIT_BYTES = 1024
FILE_LIMIT_BYTES = 64 * 1024 * 1024
VERSION_LIMIT_BYTES = 128 * 1024 * 1024
FILE_COUNT_LIMIT = 64

_SIGNATURE_LINE = re.compile(rf"ed25519 ({ARTIFACT_KEY_ID}) ([A-Za-z0-9+/]{{86}}==)\n".encode())


@dataclass(frozen=True, slots=True)
class VerifiedArtifact:
    """A model version that passed every check.

    Attributes:
        version: version id.
        manifest_hash: SHA-256 of the manifest, in hex.
        files: content by name.
        manifest: the signed manifest.
    """

    version: str
    manifest_hash: str
    files: Mapping[str, bytes]
    manifest: Manifest


def load(
    directory: Path,
    *,
    verifier: ArtifactVerifier,
    feature_schema_hash: str,
    minimum_version: str | None = None,
) -> VerifiedArtifact:
    """Returns the version in a directory after all checks.

    Args:
        directory: the version's directory, named like the version.
        verifier: accepted keys.
        feature_schema_hash: of the features this process computes.
        minimum_version: the last accepted version; an older one is refused.

    Raises:
        ArtifactError: a check failed; `check` names it.
    """
    with _opened(directory) as folder:
        sizes = _check_files(folder, directory)
        manifest_bytes = _read(folder, MANIFEST_NAME, MANIFEST_LIMIT_BYTES)
        key_id = _check_signature(manifest_bytes, _read(folder, SIGNATURE_NAME, SIGNATURE_LIMIT_BYTES), verifier)
        manifest = Manifest.parse(manifest_bytes)
        if manifest.key_id != key_id:
            raise ArtifactError("signature", f"the manifest names key {manifest.key_id!r}, its signature {key_id!r}")
        _check_trust(manifest, verifier)
        _check_version(manifest.version, directory.name, minimum_version)
        _check_listing(manifest, sizes)
        sealed = {file.name: _read_sealed(folder, file) for file in manifest.files}
    files = _decrypt(manifest, sealed, verifier)
    missing = sorted(REQUIRED_FILES - files.keys())
    if missing:
        raise ArtifactError("format", f"version {manifest.version} lacks {', '.join(missing)}")
    if manifest.feature_schema_hash != feature_schema_hash:
        raise ArtifactError(
            "schema",
            f"version {manifest.version} expects feature schema {manifest.feature_schema_hash[:12]}, "
            f"this code computes {feature_schema_hash[:12]}",
        )
    return VerifiedArtifact(manifest.version, manifest.digest(), files, manifest)


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """Opens the directory; files are opened relative to it, so nothing can be swapped above them."""
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)
    except OSError as error:
        raise ArtifactError("files", f"{directory} is not a readable folder: {error.strerror}") from error


def _check_files(folder: int, directory: Path) -> dict[str, int]:
    """Returns every file's size; refuses anything but a bounded number of bounded regular files."""
    sizes: dict[str, int] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                raise ArtifactError("files", f"{directory / entry.name} is not a regular file")
            if status.st_size > FILE_LIMIT_BYTES:
                raise ArtifactError("files", f"{directory / entry.name} is larger than {FILE_LIMIT_BYTES} bytes")
            sizes[entry.name] = status.st_size
            if len(sizes) > FILE_COUNT_LIMIT:
                raise ArtifactError("files", f"{directory} holds more than {FILE_COUNT_LIMIT} files")
    if sum(sizes.values()) > VERSION_LIMIT_BYTES:
        raise ArtifactError("files", f"{directory} is larger than {VERSION_LIMIT_BYTES} bytes")
    return sizes


def _read(folder: int, name: str, limit: int) -> bytes:
    """Returns the bytes of a regular file of at most `limit` bytes.

    O_NOFOLLOW refuses a link, O_NONBLOCK keeps a pipe from blocking for ever until it is refused.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ArtifactError("files", f"{name} is not a regular file")
            content = file.read(limit + 1)
    except OSError as error:
        raise ArtifactError("files", f"{name} cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise ArtifactError("files", f"{name} is larger than {limit} bytes")
    return content


def _check_signature(manifest: bytes, signature_line: bytes, verifier: ArtifactVerifier) -> str:
    """Returns the key id of the signature once the signature holds."""
    match = _SIGNATURE_LINE.fullmatch(signature_line)
    if match is None:
        raise ArtifactError("signature", f"{SIGNATURE_NAME} is malformed")
    key_id = match[1].decode()
    try:
        signature = base64.b64decode(match[2], validate=True)
    except binascii.Error as error:
        raise ArtifactError("signature", f"{SIGNATURE_NAME} is malformed") from error
    # Base64 with stray bits in its last digit decodes too; only one spelling of a signature is accepted.
    if len(signature) != SIGNATURE_BYTES or base64.b64encode(signature) != match[2]:
        raise ArtifactError("signature", f"{SIGNATURE_NAME} is malformed")
    try:
        verifier.verify(manifest, signature=signature, key_id=key_id)
    except ArtifactSignatureError as error:
        raise ArtifactError("signature", str(error)) from error
    return key_id


def _check_trust(manifest: Manifest, verifier: ArtifactVerifier) -> None:
    try:
        verifier.check_content(
            key_id=manifest.key_id, version=manifest.version, created_at=manifest.created_at.astimezone(UTC)
        )
    except VersionRevokedError as error:
        raise ArtifactError("version", str(error)) from error
    except SecurityError as error:
        raise ArtifactError("signature", str(error)) from error


def _check_version(version: str, directory_name: str, minimum_version: str | None) -> None:
    if version != directory_name:
        raise ArtifactError("version", f"folder {directory_name} holds version {version}")
    if minimum_version is not None and version < minimum_version:
        raise ArtifactError("version", f"version {version} is older than the last accepted one, {minimum_version}")


def _check_listing(manifest: Manifest, sizes: Mapping[str, int]) -> None:
    expected = {file.name + SEALED_SUFFIX: file.sealed_size for file in manifest.files}
    found = {name: size for name, size in sizes.items() if name not in (MANIFEST_NAME, SIGNATURE_NAME)}
    if stray := sorted(found.keys() - expected.keys()):
        raise ArtifactError("hash", f"the manifest does not name {', '.join(stray)}")
    if missing := sorted(expected.keys() - found.keys()):
        raise ArtifactError("hash", f"{', '.join(missing)} is missing")
    for name, size in expected.items():
        if found[name] != size:
            raise ArtifactError("hash", f"{name} has {found[name]} bytes, the manifest says {size}")


def _read_sealed(folder: int, file: ArtifactFile) -> bytes:
    sealed = _read(folder, file.name + SEALED_SUFFIX, file.sealed_size)
    if hashlib.sha256(sealed).hexdigest() != file.sealed_sha256:
        raise ArtifactError("hash", f"{file.name}{SEALED_SUFFIX} is not the file that the manifest names")
    return sealed


def _decrypt(manifest: Manifest, sealed: Mapping[str, bytes], verifier: ArtifactVerifier) -> dict[str, bytes]:
    try:
        data_key = verifier.unwrap(manifest.data_key, EncryptionContext(manifest.version, manifest.key_id))
        files = {name: data_key.decrypt(name, content) for name, content in sealed.items()}
    except DecryptionError as error:
        raise ArtifactError("decryption", f"version {manifest.version} does not decrypt: {error}") from error
    for file in manifest.files:
        content = files[file.name]
        if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
            raise ArtifactError("hash", f"{file.name} is not the content that the manifest names")
    return files
