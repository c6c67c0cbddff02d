"""An administrator's changes to the registry: promote or roll back, each audited before it counts."""

import logging

from ml.domain.errors import ArtifactError
from ml.features.schema import schema_hash
from ml.registry.artifacts import load
from ml.registry.registry import (
    ChampionChangedError,
    ModelRegistry,
    OlderVersionError,
    RegistryState,
    UnknownVersionError,
)
from ml.stores.accepted_version.accepted_version import AcceptedVersion
from security.artifacts.artifact_keys import ArtifactVerifier
from security.audit.audit import AuditEvent, AuditLog
from security.safe_mode.safe_mode import timestamp

_AFTER_ALL = "w"
"""Sorts after every version id, which begin with a v."""

_log = logging.getLogger(__name__)


class ModelAdministration:
    """Changes the champion for an administrator, or for a retraining.

    For every version one of the two ways is open: what is older than the last accepted one can be rolled back to, all
    else can be promoted.

    Checks here need no model runtime: files, signature, key, revocation, decryption, schema. The scoring workers check
    the golden vectors, and keep their present model if that fails.

    Args:
        registry: the versions.
        verifier: accepted keys.
        mark: the last accepted version.
        audit: where each change is written before it is made; without it nothing is changed.
    """

    def __init__(
        self, *, registry: ModelRegistry, verifier: ArtifactVerifier, mark: AcceptedVersion, audit: AuditLog
    ) -> None:
        self._registry = registry
        self._verifier = verifier
        self._mark = mark
        self._audit = audit

    def promote(self, version: str, *, by: str, reason: str = "", over: RegistryState | None = None) -> RegistryState:
        """Makes a version champion and returns the new state.

        Args:
            version: the new champion.
            by: who wants it.
            reason: why.
            over: the state that the decision rests on, by default the present one; the champion must be the same.

        Raises:
            ArtifactError: the version fails a check, or the mark is not ours.
            ChampionChangedError: another version became champion meanwhile.
            OlderVersionError: it is older than the last accepted one.
            UnknownVersionError: there is no such version.
            RegistryError: the registry cannot be read or written.
            security.audit.audit.AuditUnavailableError: the audit cannot be written; nothing was changed.
            StoreUnavailableError: the mark cannot be read.
        """
        state = self._registry.state()
        if over is not None and state.champion != over.champion:
            raise ChampionChangedError(f"{state.champion or 'no version'} became champion meanwhile")
        self._check(version)
        last = max(filter(None, (state.high_water_mark, self._mark.read())), default="")
        if version < last:
            raise OlderVersionError(f"{version} is older than {last}, the last accepted; roll back instead")
        details = {"champion": version, "before": state.champion or ""}
        self._note("models.promoted", by, reason, **details)
        try:
            return self._registry.promote(version, over=state)
        except ChampionChangedError as error:
            self._note("models.not_promoted", by, str(error), **details)
            raise

    def roll_back(
        self, *, by: str, reason: str = "", version: str | None = None, allow_older: bool = False
    ) -> RegistryState:
        """Makes an earlier champion champion again, lowers both marks to it and returns the new state.

        Args:
            by: who wants it.
            reason: why.
            version: an earlier champion, by default the last; the present one, to lower the marks to it; or any
                version that is older than the last accepted one, and so cannot be promoted.
            allow_older: says that the version may be older than the last accepted one.

        Raises: like `promote`.
        """
        state = self._registry.state()
        target = version or next(reversed(state.previous), None)
        if target is None:
            raise UnknownVersionError("there is no earlier champion to roll back to")
        last = self._last_accepted(state)
        if target not in {*state.previous, state.champion} and target >= last:
            raise UnknownVersionError(f"{target} was never champion; promote it instead")
        self._check(target)
        if not allow_older:
            raise OlderVersionError(f"{target} is older than the last accepted version")
        self._note("models.rolled_back", by, reason, champion=target, before=state.champion or "")
        # Before, because processes that see the older champion under the higher mark would refuse it. And after, since
        # one that read the registry in between would raise the mark to the former champion once more.
        self._mark.set_to(target)
        state = self._registry.rollback(target)
        self._mark.set_to(target)
        return state

    def _last_accepted(self, state: RegistryState) -> str:
        """Returns the later of both marks; one that is not ours counts as later than every version."""
        try:
            return max(filter(None, (state.high_water_mark, self._mark.read())), default="")
        except ArtifactError:
            return _AFTER_ALL

    def _check(self, version: str) -> None:
        self._registry.require(version)
        load(self._registry.directory(version), verifier=self._verifier, feature_schema_hash=schema_hash())

    def _note(self, action: str, by: str, reason: str, **details: str) -> None:
        event = AuditEvent(action, by, timestamp(), reason, details)
        self._audit.record([event])
        _log.warning("model registry changed", extra={"action": action, "by": by, "reason": reason, **details})
