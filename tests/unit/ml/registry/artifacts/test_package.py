import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.errors import ArtifactError
from ml.registry.artifacts.manifest import MANIFEST_NAME, is_version, new_version
from ml.registry.artifacts.package import package
from security.artifacts.artifact_keys import ArtifactSigner

VERSION = "v20261123T154500-0a1b2c"


def _package(files: dict[str, bytes], directory: Path, signer: ArtifactSigner, **changes: object) -> Path:
    values: dict[str, object] = {
        "version": VERSION,
        "feature_schema_hash": "5" * 64,
        "metrics": {"average_precision": 0.5},
        "code_version": "test",
    }
    return package(files, directory=directory, keys=signer, **(values | changes))  # type: ignore[arg-type]


def test_the_manifest_says_what_listings_need(tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner) -> None:
    manifest = json.loads((_package(files, tmp_path, signer) / MANIFEST_NAME).read_bytes())
    assert manifest["version"] == VERSION
    assert manifest["key_id"] == "key-1"
    assert manifest["metrics"] == {"average_precision": 0.5}
    assert [file["name"] for file in manifest["files"]] == sorted(files)


def test_two_packages_of_the_same_files_share_no_sealed_byte_string(
    tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner
) -> None:
    first, second = _package(files, tmp_path / "a", signer), _package(files, tmp_path / "b", signer)
    assert all((first / f"{name}.sealed").read_bytes() != (second / f"{name}.sealed").read_bytes() for name in files)


def test_an_existing_version_is_never_overwritten(
    tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner
) -> None:
    content = (_package(files, tmp_path, signer) / MANIFEST_NAME).read_bytes()
    with pytest.raises(ArtifactError, match="exists already"):
        _package(files, tmp_path, signer)
    assert (tmp_path / VERSION / MANIFEST_NAME).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [VERSION]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "latest"},
        {"version": f"../{VERSION}"},
        {"metrics": {"average_precision": float("nan")}},
        {"feature_schema_hash": "short"},
    ],
    ids=str,
)
def test_unacceptable_metadata_is_refused_and_leaves_nothing(
    tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner, changes: dict[str, object]
) -> None:
    with pytest.raises(ArtifactError) as caught:
        _package(files, tmp_path, signer, **changes)
    assert caught.value.check == "format"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../escape.json", "/etc/passwd", "A.json", "noending", "a b.json", ""])
def test_a_file_name_that_could_leave_the_directory_is_refused(
    tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner, name: str
) -> None:
    with pytest.raises(ArtifactError):
        _package(files | {name: b""}, tmp_path, signer)


def test_a_missing_required_file_is_named(tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner) -> None:
    del files["golden.json"]
    with pytest.raises(ArtifactError, match=r"golden\.json"):
        _package(files, tmp_path, signer)


def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, files: dict[str, bytes], signer: ArtifactSigner
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written") as caught:
        _package(files, tmp_path / "file", signer)
    assert caught.value.check == "files"


@given(
    earlier=st.datetimes(datetime(2026, 1, 1), datetime(2096, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    seconds=st.integers(1, 10**9),
)
def test_version_ids_sort_by_creation(earlier: datetime, seconds: int) -> None:
    first = earlier.replace(tzinfo=UTC)
    later = (first + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=5)))
    assert is_version(new_version(first))
    assert new_version(first) < new_version(later)


@given(
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2096, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    clock_error=st.integers(-(10**7), 10**7),
)
def test_a_version_sorts_behind_the_one_before_whatever_the_clock_says(moment: datetime, clock_error: int) -> None:
    before = new_version(moment.replace(tzinfo=UTC))
    after = new_version(moment.replace(tzinfo=UTC) + timedelta(seconds=clock_error), after=before)
    assert is_version(after)
    assert before < after
