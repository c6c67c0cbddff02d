from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ml.registry.artifacts import package
from ml.registry.artifacts.manifest import MANIFEST_NAME, REQUIRED_FILES
from ml.registry.registry import (
    HISTORY_LIMIT,
    LOCK_NAME,
    STATE_NAME,
    Alias,
    ModelRegistry,
    RegistryError,
    RegistryState,
)
from security.artifacts.artifact_encryption import EncryptionKey
from security.artifacts.artifact_keys import ArtifactSigner

SIGNER = ArtifactSigner("key-1", Ed25519PrivateKey.generate(), EncryptionKey(bytes(32)))


def _version(number: int) -> str:
    return f"v20261123T{number:06d}-000000"


def _add(registry: ModelRegistry, number: int) -> str:
    package(
        dict.fromkeys(REQUIRED_FILES, b"x"),
        version=_version(number),
        directory=registry.path,
        keys=SIGNER,
        feature_schema_hash="5" * 64,
        metrics={"average_precision": number / 10},
        code_version="test",
    )
    return _version(number)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_a_registry_that_does_not_exist_yet_is_empty(registry: ModelRegistry) -> None:
    assert registry.versions() == []
    assert registry.champion() is None
    assert registry.state() == RegistryState()
    assert registry.state().challenger is None
    assert registry.state().high_water_mark is None
    assert not registry.path.exists()


def test_versions_are_listed_newest_first_with_their_aliases(registry: ModelRegistry) -> None:
    first, second, third = (_add(registry, number) for number in (1, 2, 3))
    registry.promote(second)
    registry.set_challenger(third)
    listed = registry.versions()
    assert [info.version for info in listed] == [third, second, first]
    assert [info.aliases for info in listed] == [(Alias.CHALLENGER,), (Alias.CHAMPION,), ()]
    assert listed[0].metrics == {"average_precision": 0.3}
    assert listed[0].feature_schema_hash == "5" * 64


def test_promotion_raises_the_mark_and_ends_the_challenge(registry: ModelRegistry) -> None:
    first, second = _add(registry, 1), _add(registry, 2)
    registry.promote(first)
    registry.set_challenger(second)
    state = registry.promote(second)
    assert (state.champion, state.challenger, state.high_water_mark) == (second, None, second)
    assert ModelRegistry(registry.path).state() == state


def test_promoting_the_champion_again_keeps_the_way_back(registry: ModelRegistry) -> None:
    first, second = _add(registry, 1), _add(registry, 2)
    registry.promote(first)
    before = registry.promote(second)
    assert registry.promote(second) == before


def test_an_older_version_is_not_promoted(registry: ModelRegistry) -> None:
    first, second = _add(registry, 1), _add(registry, 2)
    registry.promote(second)
    with pytest.raises(RegistryError, match="older"):
        registry.promote(first)
    assert registry.champion() == second


def test_rollback_returns_to_the_champion_before_and_lowers_the_mark(registry: ModelRegistry) -> None:
    versions = [_add(registry, number) for number in (1, 2, 3)]
    for version in versions:
        registry.promote(version)
    assert registry.rollback().champion == versions[1]
    state = registry.rollback()
    assert (state.champion, state.high_water_mark, state.previous) == (versions[0], versions[0], ())
    with pytest.raises(RegistryError, match="no earlier champion"):
        registry.rollback()
    assert registry.promote(versions[2]).champion == versions[2]


def test_the_way_back_is_bounded(registry: ModelRegistry) -> None:
    for number in range(HISTORY_LIMIT + 3):
        registry.promote(_add(registry, number))
    assert len(registry.state().previous) == HISTORY_LIMIT
    assert registry.state().previous[-1] == _version(HISTORY_LIMIT + 1)


@pytest.mark.parametrize("version", ["latest", "../../etc", _version(9), "", "v20261123T000009-000000/.."])
def test_what_is_no_version_here_gets_no_alias(registry: ModelRegistry, version: str) -> None:
    _add(registry, 1)
    with pytest.raises(RegistryError):
        registry.promote(version)
    with pytest.raises(RegistryError):
        registry.set_challenger(version)


def test_the_champion_is_not_its_own_challenger(registry: ModelRegistry) -> None:
    registry.promote(_add(registry, 1))
    with pytest.raises(RegistryError, match="own challenger"):
        registry.set_challenger(_version(1))


def test_a_challenger_can_be_withdrawn(registry: ModelRegistry) -> None:
    registry.set_challenger(_add(registry, 1))
    assert registry.set_challenger(None).challenger is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"champion": "latest"}', b'{"other": 1}', b"[]"])
def test_a_malformed_state_is_an_error_and_not_an_empty_registry(registry: ModelRegistry, content: bytes) -> None:
    _add(registry, 1)
    (registry.path / STATE_NAME).write_bytes(content)
    with pytest.raises(RegistryError, match="malformed"):
        registry.champion()
    with pytest.raises(RegistryError, match="malformed"):
        registry.promote(_version(1))


def test_a_version_with_an_unreadable_manifest_is_left_out_and_logged(
    registry: ModelRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = _add(registry, 1), _add(registry, 2)
    (registry.path / second / MANIFEST_NAME).write_bytes(b"{}")
    assert [info.version for info in registry.versions()] == [first]
    assert second in caplog.text


def test_the_newest_version_counts_even_if_its_manifest_does_not(registry: ModelRegistry) -> None:
    assert registry.newest() is None
    _add(registry, 1)
    second = _add(registry, 2)
    (registry.path / second / MANIFEST_NAME).unlink()
    assert registry.newest() == second


def test_foreign_entries_are_ignored(registry: ModelRegistry) -> None:
    version = _add(registry, 1)
    (registry.path / ".staging-left-behind").mkdir()
    (registry.path / "notes.txt").touch()
    assert [info.version for info in registry.versions()] == [version]


def test_an_unusable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match="cannot be read"):
        ModelRegistry(tmp_path / "file").versions()


def test_concurrent_writers_lose_nothing_and_readers_never_see_half_a_state(registry: ModelRegistry) -> None:
    first, second = _add(registry, 1), _add(registry, 2)
    registry.promote(first)

    def write(version: str | None) -> None:
        for _ in range(25):
            registry.set_challenger(version)
            assert ModelRegistry(registry.path).champion() == first

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(write, version) for version in (second, None, second)]:
            future.result()
    leftovers = {path.name for path in registry.path.iterdir()} - {first, second, STATE_NAME, LOCK_NAME}
    assert leftovers == set()
