"""An administrator's changes to the registry: promote or roll back, each audited before it counts."""

import logging

from ml.features.schema import schema_hash
from ml.registry.artifacts import load
from ml.registry.registry import ModelRegistry, OlderVersionError, RegistryState, UnknownVersionError
from ml.stores.accepted_version.accepted_version import AcceptedVersion
from security.artifacts.artifact_keys import ArtifactVerifier
from security.audit.audit import AuditEvent, AuditLog
from security.safe_mode.safe_mode import timestamp

_log = logging.getLogger(__name__)


class ModelAdministration:
    """Changes the champion for an administrator.

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

    def promote(self, version: str, *, by: str, reason: str = "") -> RegistryState:
        """Makes a version champion and returns the new state.

        Raises:
            ArtifactError: the version fails a check.
            OlderVersionError: it is older than the last accepted one.
            UnknownVersionError: there is no such version.
            RegistryError: the registry cannot be read or written.
            security.audit.audit.AuditUnavailableError: the audit cannot be written; nothing was changed.
            StoreUnavailableError: the mark cannot be read.
        """
        state = self._registry.state()
        self._check(version)
        marks = [mark for mark in (state.high_water_mark, self._mark.read()) if mark is not None]
        if marks and version < max(marks):
            raise OlderVersionError(f"{version} is older than {max(marks)}, the last accepted; roll back instead")
        self._note("models.promoted", by, reason, champion=version, before=state.champion or "")
        return self._registry.promote(version)

    def roll_back(
        self, *, by: str, reason: str = "", version: str | None = None, allow_older: bool = False
    ) -> RegistryState:
        """Makes an earlier champion champion again, lowers both marks to it and returns the new state.

        Args:
            by: who wants it.
            reason: why.
            version: one of the earlier champions; by default the last.
            allow_older: says that the version may be older than the last accepted one.

        Raises: like `promote`.
        """
        state = self._registry.state()
        target = version or next(reversed(state.previous), None)
        if target is None:
            raise UnknownVersionError("there is no earlier champion to roll back to")
        if target not in state.previous:
            raise UnknownVersionError(f"{target} was never champion; promote it instead")
        self._check(target)
        if not allow_older:
            raise OlderVersionError(f"{target} is older than {state.high_water_mark}, the last accepted")
        self._note("models.rolled_back", by, reason, champion=target, before=state.champion or "")
        # The mark first: scoring processes that see the older champion under the higher mark would refuse it.
        self._mark.set_to(target)
        return self._registry.rollback(target)

    def _check(self, version: str) -> None:
        self._registry.require(version)
        load(self._registry.directory(version), verifier=self._verifier, feature_schema_hash=schema_hash())

    def _note(self, action: str, by: str, reason: str, **details: str) -> None:
        event = AuditEvent(action, by, timestamp(), reason, details)
        self._audit.record([event])
        _log.warning("model registry changed", extra={"action": action, "by": by, "reason": reason, **details})
