import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSignatureError, ArtifactSigner, ArtifactVerifier
from security.artifacts.artifact_pem import public_key_pem
from security.artifacts.artifact_trust import (
    ArtifactTrust,
    ArtifactUntrustedError,
    TrustedKey,
    TrustFile,
    VersionRevokedError,
)
from security.errors import KeyUnusableError

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2027, 11, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))
KEY = TrustedKey(SIGNER.private_key.public_key(), START, END)
VERSION = "v20261123T154500-0a1b2c"


@pytest.mark.parametrize("now", [START, END - INSTANT])
def test_a_key_counts_from_its_first_moment_to_before_its_last(now: datetime) -> None:
    assert ArtifactTrust({"key-1": KEY}).key("key-1", now) is KEY


@pytest.mark.parametrize(("now", "words"), [(START - INSTANT, "counts from"), (END, "expired on 2027-11-01")])
def test_a_key_outside_its_time_is_not_accepted(now: datetime, words: str) -> None:
    with pytest.raises(ArtifactUntrustedError, match=words):
        ArtifactTrust({"key-1": KEY}).key("key-1", now)
    verifier = ArtifactVerifier(ArtifactTrust({"key-1": KEY}), SIGNER.encryption_key, now=lambda: now)
    with pytest.raises(ArtifactSignatureError, match=words):
        verifier.verify(b"m", signature=SIGNER.sign(b"m"), key_id="key-1")


def test_a_revoked_key_is_not_accepted_though_it_is_listed_and_valid() -> None:
    trust = ArtifactTrust({"key-1": KEY}, revoked_keys=frozenset({"key-1"}))
    with pytest.raises(ArtifactUntrustedError, match="revoked"):
        trust.key("key-1", START)


@pytest.mark.parametrize("created_at", [START - INSTANT, END])
def test_what_was_made_outside_its_keys_time_is_not_accepted(created_at: datetime) -> None:
    with pytest.raises(ArtifactUntrustedError, match="outside"):
        ArtifactTrust({"key-1": KEY}).check_content(key_id="key-1", version=VERSION, created_at=created_at)


def test_a_revoked_version_is_not_accepted() -> None:
    trust = ArtifactTrust({"key-1": KEY}, revoked_versions=frozenset({VERSION}))
    with pytest.raises(VersionRevokedError):
        trust.check_content(key_id="key-1", version=VERSION, created_at=START)
    trust.check_content(key_id="key-1", version="v20261123T154501-0a1b2c", created_at=START)


def test_an_expiry_withdraws_nothing_that_serves_and_a_revocation_does() -> None:
    def verifier(**revoked: frozenset[str]) -> ArtifactVerifier:
        return ArtifactVerifier(ArtifactTrust({"key-1": KEY}, **revoked), SIGNER.encryption_key, now=lambda: END)

    assert verifier().revocation(key_id="key-1", version=VERSION) is None
    by_key = verifier(revoked_keys=frozenset({"key-1"})).revocation(key_id="key-1", version=VERSION)
    assert by_key is not None
    assert "key-1" in by_key
    assert verifier(revoked_versions=frozenset({VERSION})).revocation(key_id="key-1", version=VERSION)
    assert verifier(revoked_versions=frozenset({VERSION})).revocation(key_id="key-1", version="v") is None


@pytest.fixture
def listed(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "key.pem").write_bytes(public_key_pem(SIGNER.private_key.public_key()))
    entry = {"id": "key-1", "public_key": "key.pem", "not_before": START.isoformat(), "not_after": END.isoformat()}
    return {"keys": [entry], "revoked_keys": [], "revoked_versions": []}


def write(folder: Path, content: object) -> TrustFile:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "trust.json").write_text(text)
    return TrustFile(folder / "trust.json")


def test_the_list_is_read_from_a_file_beside_its_keys(tmp_path: Path, listed: dict[str, Any]) -> None:
    trust = write(tmp_path, listed).current()
    assert trust.key("key-1", START).not_after == END


def test_a_revocation_counts_without_a_restart(tmp_path: Path, listed: dict[str, Any]) -> None:
    source = write(tmp_path, listed)
    assert source.current() is source.current()
    write(tmp_path, listed | {"revoked_keys": ["key-1"]})
    with pytest.raises(ArtifactUntrustedError, match="revoked"):
        source.current().key("key-1", START)


def test_a_list_replaced_by_one_of_the_same_size_and_time_is_read(tmp_path: Path, listed: dict[str, Any]) -> None:
    source = write(tmp_path, listed | {"revoked_keys": ["key-2"]})
    assert "key-2" in source.current().revoked_keys
    before = (tmp_path / "trust.json").stat()
    (tmp_path / "next.json").write_text(json.dumps(listed | {"revoked_keys": ["key-1"]}))
    (tmp_path / "next.json").replace(tmp_path / "trust.json")
    os.utime(tmp_path / "trust.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "key-1" in source.current().revoked_keys


def test_a_list_that_became_unreadable_accepts_nothing_and_withdraws_nothing(
    tmp_path: Path, listed: dict[str, Any]
) -> None:
    verifier = ArtifactVerifier(write(tmp_path, listed), SIGNER.encryption_key, now=lambda: START)
    verifier.verify(b"m", signature=SIGNER.sign(b"m"), key_id="key-1")
    write(tmp_path, "{")
    with pytest.raises(ArtifactSignatureError, match=r"trust\.json is not valid"):
        verifier.verify(b"m", signature=SIGNER.sign(b"m"), key_id="key-1")
    assert verifier.revocation(key_id="key-1", version=VERSION) is None


@pytest.mark.parametrize(
    "change",
    [
        {"keys": []},
        {"keys": "all"},
        {"unknown": 1},
        {"revoked_keys": ["a b"]},
        {"revoked_keys": "key-1"},
        {"revoked_versions": [1]},
    ],
    ids=str,
)
def test_a_malformed_list_is_refused_in_one_sentence(
    tmp_path: Path, listed: dict[str, Any], change: dict[str, Any]
) -> None:
    with pytest.raises(KeyUnusableError, match=r"trust\.json is not valid"):
        write(tmp_path, listed | change).current()


@pytest.mark.parametrize(
    "change", [{"id": "../x"}, {"not_after": "soon"}, {"not_after": "2027-11-01T00:00:00"}, {"role": "any"}], ids=str
)
def test_a_malformed_key_is_refused(tmp_path: Path, listed: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(KeyUnusableError):
        write(tmp_path, listed | {"keys": [listed["keys"][0] | change]}).current()


def test_doubled_keys_absent_files_and_giants_are_refused(tmp_path: Path, listed: dict[str, Any]) -> None:
    (entry,) = listed["keys"]
    with pytest.raises(KeyUnusableError, match="twice"):
        write(tmp_path, listed | {"keys": [entry, entry]}).current()
    with pytest.raises(KeyUnusableError, match=r"absent\.pem"):
        write(tmp_path, listed | {"keys": [entry | {"public_key": "absent.pem"}]}).current()
    with pytest.raises(KeyUnusableError, match="larger"):
        write(tmp_path, "{" + " " * 65536 + "}").current()
    with pytest.raises(KeyUnusableError, match="cannot be read"):
        TrustFile(tmp_path / "none.json").current()
