import base64
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.domain.errors import ArtifactError
from ml.registry.artifacts import loader
from ml.registry.artifacts.loader import load
from ml.registry.artifacts.manifest import MANIFEST_NAME, REQUIRED_FILES, SIGNATURE_NAME, Manifest
from ml.registry.artifacts.package import package
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner, ArtifactVerifier
from security.artifacts.artifact_trust import ArtifactTrust, TrustedKey

SCHEMA_HASH = "5" * 64
VERSION = "v20261123T154500-0a1b2c"
OLDER = "v20261123T154459-ffffff"
NEWER = "v20261123T154501-000000"

MODEL = "model.onnx.sealed"
NOW = datetime.now(UTC)


def _write(directory: Path, files: dict[str, bytes], signer: ArtifactSigner, version: str = VERSION) -> Path:
    return package(
        files,
        version=version,
        directory=directory,
        keys=signer,
        feature_schema_hash=SCHEMA_HASH,
        metrics={"average_precision": 0.5},
        code_version="test",
    )


def _refused(directory: Path, signer: ArtifactSigner, minimum_version: str | None = None) -> str:
    with pytest.raises(ArtifactError) as caught:
        load(
            directory,
            verifier=signer.verifier(),
            feature_schema_hash=SCHEMA_HASH,
            minimum_version=minimum_version,
        )
    return caught.value.check


def _resign(artifact: Path, signer: ArtifactSigner, manifest: bytes) -> None:
    signature = base64.b64encode(signer.sign(manifest)).decode()
    (artifact / MANIFEST_NAME).write_bytes(manifest)
    (artifact / SIGNATURE_NAME).write_bytes(f"ed25519 {signer.key_id} {signature}\n".encode())


def _edit(artifact: Path, signer: ArtifactSigner, **changes: object) -> None:
    """Signs a changed manifest with the right key, which only the trainer could do."""
    content = orjson.loads((artifact / MANIFEST_NAME).read_bytes()) | changes
    _resign(artifact, signer, orjson.dumps(content, option=orjson.OPT_SORT_KEYS))


@pytest.mark.parametrize("minimum_version", [None, OLDER, VERSION])
def test_loads_what_was_packaged(
    artifact: Path, files: dict[str, bytes], signer: ArtifactSigner, minimum_version: str | None
) -> None:
    loaded = load(
        artifact,
        verifier=signer.verifier(),
        feature_schema_hash=SCHEMA_HASH,
        minimum_version=minimum_version,
    )
    assert loaded.files == files
    assert loaded.version == VERSION
    assert loaded.manifest_hash == loaded.manifest.digest()
    assert loaded.manifest.metrics == {"average_precision": 0.5}


def test_no_content_lies_on_disk_in_clear(artifact: Path) -> None:
    assert not any(b"content of" in path.read_bytes() for path in artifact.iterdir())


EXPECTED_AFTER_DAMAGE = {MANIFEST_NAME: "signature", SIGNATURE_NAME: "signature"}


@pytest.mark.parametrize("name", [MANIFEST_NAME, SIGNATURE_NAME, *sorted(f"{name}.sealed" for name in REQUIRED_FILES)])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.999])
def test_one_flipped_bit_anywhere_is_refused(artifact: Path, signer: ArtifactSigner, name: str, place: float) -> None:
    content = bytearray((artifact / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (artifact / name).write_bytes(content)
    assert _refused(artifact, signer) == EXPECTED_AFTER_DAMAGE.get(name, "hash")


def test_every_flipped_bit_of_the_signature_file_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    sound = (artifact / SIGNATURE_NAME).read_bytes()
    for position in range(8 * len(sound)):
        content = bytearray(sound)
        content[position // 8] ^= 1 << position % 8
        (artifact / SIGNATURE_NAME).write_bytes(content)
        assert _refused(artifact, signer) == "signature"


@pytest.mark.parametrize("name", [MANIFEST_NAME, SIGNATURE_NAME, MODEL])
@pytest.mark.parametrize("change", ["empty", "shorter", "longer"])
def test_a_file_of_another_length_is_refused(artifact: Path, signer: ArtifactSigner, name: str, change: str) -> None:
    content = (artifact / name).read_bytes()
    changed = {"empty": b"", "shorter": content[:-1], "longer": content + b"\n"}[change]
    (artifact / name).write_bytes(changed)
    assert _refused(artifact, signer) == EXPECTED_AFTER_DAMAGE.get(name, "hash")


@pytest.mark.parametrize(("name", "check"), [(MANIFEST_NAME, "files"), (SIGNATURE_NAME, "files"), (MODEL, "hash")])
def test_a_missing_file_is_refused(artifact: Path, signer: ArtifactSigner, name: str, check: str) -> None:
    (artifact / name).unlink()
    assert _refused(artifact, signer) == check


def test_a_file_that_the_manifest_does_not_name_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    (artifact / "extra.pkl").write_bytes(b"anything")
    assert _refused(artifact, signer) == "hash"


def test_two_files_of_one_version_swapped_are_refused(artifact: Path, signer: ArtifactSigner) -> None:
    first, second = artifact / MODEL, artifact / "golden.json.sealed"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert _refused(artifact, signer) == "hash"


def test_a_file_of_another_version_is_refused(artifact: Path, files: dict[str, bytes], signer: ArtifactSigner) -> None:
    other = _write(artifact.parent, files, signer, NEWER)
    shutil.copy(other / MODEL, artifact / MODEL)
    assert _refused(artifact, signer) == "hash"


def test_a_file_of_another_version_is_refused_even_if_the_manifest_names_it(
    artifact: Path, files: dict[str, bytes], signer: ArtifactSigner
) -> None:
    other = _write(artifact.parent, files, signer, NEWER)
    shutil.copy(other / MODEL, artifact / MODEL)
    foreign = {file["name"]: file for file in orjson.loads((other / MANIFEST_NAME).read_bytes())["files"]}
    own = orjson.loads((artifact / MANIFEST_NAME).read_bytes())["files"]
    swapped = [foreign["model.onnx"] if file["name"] == "model.onnx" else file for file in own]
    _edit(artifact, signer, files=swapped)
    assert _refused(artifact, signer) == "decryption"


def test_a_version_in_the_folder_of_another_is_refused(
    artifact: Path, files: dict[str, bytes], signer: ArtifactSigner
) -> None:
    other = _write(artifact.parent, files, signer, NEWER)
    shutil.rmtree(other)
    artifact.rename(other)
    assert _refused(other, signer) == "version"


def test_an_older_version_than_the_last_accepted_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    assert _refused(artifact, signer, minimum_version=NEWER) == "version"


def test_a_key_id_that_left_service_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    successor = ArtifactSigner("key-2", signer.private_key, signer.encryption_key)
    assert _refused(artifact, successor) == "signature"


def test_a_key_id_in_the_signature_other_than_in_the_manifest_is_refused(
    artifact: Path, signer: ArtifactSigner
) -> None:
    successor = ArtifactSigner("key-2", signer.private_key, signer.encryption_key)
    _resign(artifact, successor, (artifact / MANIFEST_NAME).read_bytes())
    assert _refused(artifact, successor) == "signature"


def test_a_manifest_signed_by_a_stranger_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    stranger = ArtifactSigner(signer.key_id, Ed25519PrivateKey.generate(), signer.encryption_key)
    _resign(artifact, stranger, (artifact / MANIFEST_NAME).read_bytes())
    assert _refused(artifact, signer) == "signature"


def _trusting(signer: ArtifactSigner, *, now: datetime, **terms: frozenset[str]) -> ArtifactVerifier:
    key = TrustedKey(signer.private_key.public_key(), NOW - timedelta(days=10), NOW + timedelta(days=10))
    return ArtifactVerifier(ArtifactTrust({signer.key_id: key}, **terms), signer.encryption_key, now=lambda: now)


@pytest.mark.parametrize(
    ("now", "terms", "check"),
    [
        (timedelta(days=11), {}, "signature"),
        (timedelta(days=-11), {}, "signature"),
        (timedelta(0), {"revoked_keys": frozenset({"key-1"})}, "signature"),
        (timedelta(0), {"revoked_versions": frozenset({VERSION})}, "version"),
        (timedelta(0), {"revoked_versions": frozenset({OLDER}), "revoked_keys": frozenset({"key-0"})}, None),
    ],
    ids=["expired", "not yet valid", "revoked key", "revoked version", "others revoked"],
)
def test_keys_count_within_their_time_and_until_they_are_revoked(
    artifact: Path, signer: ArtifactSigner, now: timedelta, terms: dict[str, frozenset[str]], check: str | None
) -> None:
    verifier = _trusting(signer, now=NOW + now, **terms)
    if check is None:
        assert load(artifact, verifier=verifier, feature_schema_hash=SCHEMA_HASH).version == VERSION
        return
    with pytest.raises(ArtifactError) as caught:
        load(artifact, verifier=verifier, feature_schema_hash=SCHEMA_HASH)
    assert caught.value.check == check


@pytest.mark.parametrize("days", [-11, 11])
def test_what_claims_to_be_made_outside_its_keys_time_is_refused(
    artifact: Path, signer: ArtifactSigner, days: int
) -> None:
    """The date that a version claims must lie within the validity of its key."""
    _edit(artifact, signer, created_at=f"{NOW + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}")
    with pytest.raises(ArtifactError, match="outside the validity") as caught:
        load(artifact, verifier=_trusting(signer, now=NOW), feature_schema_hash=SCHEMA_HASH)
    assert caught.value.check == "signature"


def test_another_encryption_key_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    other = ArtifactSigner(signer.key_id, signer.private_key, EncryptionKey(bytes(32)))
    assert _refused(artifact, other) == "decryption"


def test_another_feature_schema_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    with pytest.raises(ArtifactError, match="feature schema") as caught:
        load(artifact, verifier=signer.verifier(), feature_schema_hash="6" * 64)
    assert caught.value.check == "schema"


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"version": "latest"},
        {"unknown": 1},
        {"metrics": {"average_precision": "high"}},
        {"files": "none"},
        {"created_at": "2026-11-23T15:45:00"},
        {"created_at": "2026-11-23T16:45:00+01:00"},
    ],
    ids=str,
)
def test_a_signed_manifest_of_the_wrong_form_is_refused(
    artifact: Path, signer: ArtifactSigner, changes: dict[str, object]
) -> None:
    _edit(artifact, signer, **changes)
    assert _refused(artifact, signer) == "format"


def test_a_signed_manifest_in_another_spelling_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    content = (artifact / MANIFEST_NAME).read_bytes()
    for spelling in (content + b"\n", content.replace(b",", b", ", 1), content.replace(b"{", b'{"format":1,', 1)):
        _resign(artifact, signer, spelling)
        assert _refused(artifact, signer) == "format"


def test_a_version_without_a_required_file_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    (artifact / "golden.json.sealed").unlink()
    kept = [
        file for file in orjson.loads((artifact / MANIFEST_NAME).read_bytes())["files"] if file["name"] != "golden.json"
    ]
    _edit(artifact, signer, files=kept)
    assert _refused(artifact, signer) == "format"


def _link_model(artifact: Path) -> None:
    elsewhere = artifact.parent / "elsewhere"
    (artifact / MODEL).rename(elsewhere)
    (artifact / MODEL).symlink_to(elsewhere)


def _link_manifest(artifact: Path) -> None:
    elsewhere = artifact.parent / "elsewhere"
    (artifact / MANIFEST_NAME).rename(elsewhere)
    (artifact / MANIFEST_NAME).symlink_to(elsewhere)


def _pipe(artifact: Path) -> None:
    (artifact / MODEL).unlink()
    os.mkfifo(artifact / MODEL)


def _folder(artifact: Path) -> None:
    (artifact / MODEL).unlink()
    (artifact / MODEL).mkdir()


def _grow(artifact: Path) -> None:
    os.truncate(artifact / MODEL, 10 * 1024**4)  # sparse: takes no space, and would take hours to read


def _grow_manifest(artifact: Path) -> None:
    os.truncate(artifact / MANIFEST_NAME, loader.MANIFEST_LIMIT_BYTES + 1)


def _grow_together(artifact: Path) -> None:
    for number in range(3):
        (artifact / f"large{number}").touch()
        os.truncate(artifact / f"large{number}", loader.FILE_LIMIT_BYTES)


def _crowd(artifact: Path) -> None:
    for number in range(loader.FILE_COUNT_LIMIT):
        (artifact / f"file{number}").touch()


@pytest.mark.parametrize(
    "damage",
    [_link_model, _link_manifest, _pipe, _folder, _grow, _grow_manifest, _grow_together, _crowd],
)
def test_links_pipes_folders_and_giants_are_never_read(
    artifact: Path, signer: ArtifactSigner, damage: Callable[[Path], None]
) -> None:
    damage(artifact)
    assert _refused(artifact, signer) == "files"


def test_a_link_to_a_version_directory_is_refused(artifact: Path, signer: ArtifactSigner) -> None:
    link = artifact.parent / NEWER
    link.symlink_to(artifact)
    assert _refused(link, signer) == "files"


def test_an_absent_directory_is_refused(tmp_path: Path, signer: ArtifactSigner) -> None:
    assert _refused(tmp_path / VERSION, signer) == "files"


def test_the_signature_is_checked_before_the_manifest_is_parsed(artifact: Path, signer: ArtifactSigner) -> None:
    (artifact / MANIFEST_NAME).write_bytes(b"{" * 1000)
    assert _refused(artifact, signer) == "signature"


def test_a_manifest_is_its_canonical_bytes(artifact: Path) -> None:
    content = (artifact / MANIFEST_NAME).read_bytes()
    assert Manifest.parse(content).canonical() == content
