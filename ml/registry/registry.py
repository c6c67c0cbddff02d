"""The model registry: a folder of version directories and one small file that says which of them serve.

`registry.json` holds the aliases `champion` and `challenger`, the champions before the present one, and the
high-water mark: the last version accepted as champion. It is replaced by rename, so a reader sees the old or
the new state, never half of one. Writers exclude each other by a lock on `registry.lock`.

The mark only falls by `rollback`, which is the explicit way back. An attacker who can write this folder can also write
this mark; a second one lies in Redis (`ml.stores.accepted_version`), and both must agree before an older version is
loaded.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.domain.errors import ArtifactError, MlError
from ml.registry.artifacts.manifest import MANIFEST_NAME, VERSION, Manifest, is_version

STATE_NAME = "registry.json"
LOCK_NAME = "registry.lock"
HISTORY_LIMIT = 20
"""Champions remembered for rollback."""

_STATE_LIMIT_BYTES = 64 * 1024
_MANIFEST_LIMIT_BYTES = 256 * 1024

_logger = logging.getLogger(__name__)


class Alias(StrEnum):
    """The two parts a version can play."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class RegistryError(MlError):
    """The registry refuses: unknown or older version, nothing to roll back to, or an unusable folder."""


class UnknownVersionError(RegistryError):
    """There is no such version, or no earlier champion to go back to."""


class OlderVersionError(RegistryError):
    """The version is older than the last accepted one, and the caller did not allow that."""


class ChampionChangedError(RegistryError):
    """Somebody changed the champion since the caller looked; what it decided stands on an outdated view."""


_VersionText = Annotated[str, Field(pattern=f"^{VERSION.pattern}$")]


class RegistryState(BaseModel):
    """The content of `registry.json`.

    Attributes:
        champion: version that answers; None before the first promotion.
        challenger: version compared with it.
        previous: earlier champions, latest last.
        high_water_mark: oldest version that may become champion by promotion.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    champion: _VersionText | None = None
    challenger: _VersionText | None = None
    previous: tuple[_VersionText, ...] = ()
    high_water_mark: _VersionText | None = None


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version as a listing shows it, read from its manifest without checking the signature."""

    version: str
    created_at: datetime
    metrics: Mapping[str, float]
    feature_schema_hash: str
    code_version: str
    aliases: tuple[Alias, ...]


class ModelRegistry:
    """Versions and aliases below one folder, shared by all processes that mount it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def state(self) -> RegistryState:
        """Returns the present aliases; one small read, cheap enough for once a second.

        Raises:
            RegistryError: the state file is unreadable or malformed.
        """
        try:
            with (self.path / STATE_NAME).open("rb") as file:
                content = file.read(_STATE_LIMIT_BYTES)
        except FileNotFoundError:
            return RegistryState()
        except OSError as error:
            raise RegistryError(f"{self.path / STATE_NAME} cannot be read: {error.strerror}") from error
        try:
            return RegistryState.model_validate_json(content)
        except ValidationError as error:
            raise RegistryError(f"{self.path / STATE_NAME} is malformed") from error

    def champion(self) -> str | None:
        """Returns the version that answers, None before the first promotion."""
        return self.state().champion

    def directory(self, version: str) -> Path:
        """Returns the directory of a version, existing or not.

        Raises:
            RegistryError: the text is no version id, so it names no directory here.
        """
        if not is_version(version):
            raise UnknownVersionError(f"{version!r} is not a version id")
        return self.path / version

    def versions(self) -> list[VersionInfo]:
        """Returns all versions, newest first; one without a readable manifest is logged and left out."""
        names = self._names()
        state = self.state()
        return [info for name in sorted(names, reverse=True) if (info := self._describe(name, state)) is not None]

    def newest(self) -> str | None:
        """Returns the newest version by its id, readable or not."""
        return max(self._names(), default=None)

    def promote(self, version: str, *, over: RegistryState | None = None) -> RegistryState:
        """Makes a version champion, raises the high-water mark to it and returns the new state.

        Promoting the champion changes nothing. A promoted challenger stops being challenger.

        Args:
            version: the new champion.
            over: the state that the decision rests on; its champion must still be the champion.

        Raises:
            ChampionChangedError: another version is champion by now.
            RegistryError: the version does not exist, or is older than the high-water mark.
        """
        self.require(version)
        with self._locked():
            state = self.state()
            if over is not None and state.champion != over.champion:
                raise ChampionChangedError(
                    f"the champion is {state.champion or 'none'} by now, not {over.champion or 'none'} as before; "
                    "look again before you promote"
                )
            if state.champion == version:
                return state
            if state.high_water_mark is not None and version < state.high_water_mark:
                raise OlderVersionError(
                    f"{version} is older than {state.high_water_mark}, the last accepted; roll back instead"
                )
            previous = state.previous if state.champion is None else (*state.previous, state.champion)
            return self._write(
                RegistryState(
                    champion=version,
                    challenger=None if state.challenger == version else state.challenger,
                    previous=previous[-HISTORY_LIMIT:],
                    high_water_mark=version,
                )
            )

    def rollback(self, version: str | None = None) -> RegistryState:
        """Makes an earlier champion champion again, lowers the mark to it and returns the new state.

        Args:
            version: by default the champion before the present one. An earlier champion lets those after it be
                forgotten; the present one only lowers the mark; any other version takes the present one's place.

        Raises:
            RegistryError: there is no earlier champion, or no such version.
        """
        with self._locked():
            state = self.state()
            version = version or next(reversed(state.previous), None)
            if version is None:
                raise UnknownVersionError("there is no earlier champion to roll back to")
            self.require(version)
            return self._write(
                RegistryState(
                    champion=version,
                    challenger=None if state.challenger == version else state.challenger,
                    previous=_champions_before(version, state),
                    high_water_mark=version,
                )
            )

    def set_challenger(self, version: str | None) -> RegistryState:
        """Sets or clears the challenger and returns the new state.

        Raises:
            RegistryError: the version does not exist, or is the champion.
        """
        if version is not None:
            self.require(version)
        with self._locked():
            state = self.state()
            if version is not None and version == state.champion:
                raise RegistryError(f"{version} is the champion and cannot be its own challenger")
            return self._write(state.model_copy(update={"challenger": version}))

    def _names(self) -> list[str]:
        try:
            return [entry.name for entry in self.path.iterdir() if is_version(entry.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RegistryError(f"{self.path} cannot be read: {error.strerror}") from error

    def _describe(self, version: str, state: RegistryState) -> VersionInfo | None:
        try:
            with (self.path / version / MANIFEST_NAME).open("rb") as file:
                manifest = Manifest.parse(file.read(_MANIFEST_LIMIT_BYTES))
        except (OSError, ArtifactError) as error:
            _logger.warning("model version %s has no readable manifest: %s", version, error)
            return None
        parts = ((Alias.CHAMPION, state.champion), (Alias.CHALLENGER, state.challenger))
        return VersionInfo(
            version=version,
            created_at=manifest.created_at,
            metrics=manifest.metrics,
            feature_schema_hash=manifest.feature_schema_hash,
            code_version=manifest.code_version,
            aliases=tuple(alias for alias, holder in parts if holder == version),
        )

    def require(self, version: str) -> None:
        """Returns if there is such a version, readable or not.

        Raises:
            UnknownVersionError: there is none.
        """
        if not (self.directory(version) / MANIFEST_NAME).is_file():
            raise UnknownVersionError(f"there is no version {version}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Excludes other writers on this host, and on others where the file system carries locks."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RegistryError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, state: RegistryState) -> RegistryState:
        temporary = None
        try:
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=".registry-", delete=False) as file:
                temporary = Path(file.name)
                file.write(state.model_dump_json(indent=2).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(self.path / STATE_NAME)
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise RegistryError(f"{self.path / STATE_NAME} cannot be written: {error.strerror}") from error
        return state


def _champions_before(version: str, state: RegistryState) -> tuple[str, ...]:
    """Returns the earlier champions that remain when a version becomes champion again."""
    if version in state.previous:
        return state.previous[: len(state.previous) - 1 - state.previous[::-1].index(version)]
    if state.champion in {None, version}:
        return state.previous
    return (*state.previous, str(state.champion))[-HISTORY_LIMIT:]
