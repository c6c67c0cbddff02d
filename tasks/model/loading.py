"""Loading the champion: verified, checked against its golden vectors, warmed, and only then swapped in."""

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ml.domain.errors import ArtifactError, StoreUnavailableError
from ml.registry.registry import ModelRegistry, RegistryError
from ml.registry.release import open_version
from ml.serving.memory_guard import bounded_memory
from ml.serving.pipeline import ModelSlot
from ml.serving.runtime import ScoringModel
from ml.stores.accepted_version.accepted_version import AcceptedVersion
from observability import metrics
from security.artifacts.artifact_keys import ArtifactVerifier
from security.safe_mode.safe_mode import SafeModeStore, SafeModeUnavailableError

_REGISTRY = "registry"
"""Stands for the registry itself where a failed version is remembered."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that may serve, and the key its version was signed with."""

    model: ScoringModel
    key_id: str


class OpenModel(Protocol):
    """Makes a model of a registered version, warm and after every check; raises like `open_champion`."""

    def __call__(
        self, version: str, *, registry: ModelRegistry, verifier: ArtifactVerifier, minimum_version: str | None
    ) -> OpenedModel:
        """Returns the model."""
        ...


def open_champion(
    version: str, *, registry: ModelRegistry, verifier: ArtifactVerifier, minimum_version: str | None
) -> OpenedModel:
    """Returns the model of a version that is not older than the last accepted one, ready to serve.

    Raises:
        ArtifactError: a check failed; `check` names it.
    """
    opened = open_version(version, registry=registry, verifier=verifier, minimum_version=minimum_version)
    try:
        with bounded_memory():
            opened.model.warm_up()
    except Exception as error:
        raise ArtifactError("format", f"model {version} cannot score a batch: {error}") from error
    return OpenedModel(opened.model, opened.key_id)


class ModelKeeper:
    """Keeps a slot filled with the registry's champion.

    A version that fails a check is never loaded. With a model serving, that model goes on serving; without one,
    SAFE MODE is entered. A failed version is not tried again by this process until the registry has named another,
    or until SAFE MODE was left: then this process loads the version, or enters SAFE MODE again, within a turn.

    A serving version that is revoked is withdrawn at once, and SAFE MODE entered.

    Args:
        registry: names the champion.
        verifier: accepted keys.
        slot: where the pipeline takes its model from.
        safe_mode: the shared switch.
        mark: the last accepted version, kept apart from the registry.
        name: this process, as the audit shows it.
        open_model: makes a servable model of a version.
    """

    def __init__(
        self,
        *,
        registry: ModelRegistry,
        verifier: ArtifactVerifier,
        slot: ModelSlot,
        safe_mode: SafeModeStore,
        mark: AcceptedVersion,
        name: str,
        open_model: OpenModel = open_champion,
    ) -> None:
        self._registry = registry
        self._verifier = verifier
        self._slot = slot
        self._safe_mode = safe_mode
        self._mark = mark
        self._name = name
        self._open_model = open_model
        self._failed: str | None = None
        self._serving_key_id = ""

    def refresh(self) -> None:
        """Loads the champion if it is not the one that serves; withdraws the one that serves if it was revoked."""
        self._withdraw_revoked()
        try:
            state = self._registry.state()
        except RegistryError as error:
            if self._failed != _REGISTRY or self._may_try_again():
                self._fail(_REGISTRY, "registry", str(error))
            return
        serving = self._slot.current.version if self._slot.current is not None else None
        if state.champion in {None, serving} or (state.champion == self._failed and not self._may_try_again()):
            return
        version = str(state.champion)
        try:
            opened = self.open(version, state.high_water_mark)
        except ArtifactError as error:
            self._fail(version, error.check, str(error))
            return
        except StoreUnavailableError as error:
            # Without the mark it is unknown whether the version is too old; the next turn tries again.
            _log.warning("the model is not loaded yet: %s", error)
            return
        self._failed = None
        self._swap(opened)

    def open(self, version: str, registry_mark: str | None) -> OpenedModel:
        """Returns a version after every check, without serving it; the later of both marks counts.

        Raises:
            ArtifactError: a check failed; `check` names it.
            StoreUnavailableError: the mark cannot be read.
        """
        marks = [mark for mark in (registry_mark, self._mark.read()) if mark is not None]
        return self._open_model(
            version, registry=self._registry, verifier=self._verifier, minimum_version=max(marks, default=None)
        )

    def test(self) -> None:
        """Opens the champion as if this process had just started, and serves it if nothing serves yet.

        Raises:
            ArtifactError: a check failed; `check` names it.
            RegistryError: there is no champion, or the registry cannot be read.
            StoreUnavailableError: the mark cannot be read.
        """
        state = self._registry.state()
        if state.champion is None:
            raise RegistryError("the registry names no champion")
        opened = self.open(state.champion, state.high_water_mark)
        if self._slot.current is None:
            self._failed = None
            self._swap(opened)

    def _may_try_again(self) -> bool:
        """Whether a version that failed while no model served is worth another try: SAFE MODE was left."""
        if self._slot.current is not None:
            return False
        try:
            return not self._safe_mode.read().enabled
        except SafeModeUnavailableError:
            return False

    def _withdraw_revoked(self) -> None:
        serving = self._slot.current
        if serving is None:
            return
        reason = self._verifier.revocation(key_id=self._serving_key_id, version=serving.version)
        if reason is None:
            return
        self._slot.current = None
        metrics.model_info.labels(model_version=serving.version, manifest_hash=serving.manifest_hash).set(0)
        self._fail(serving.version, "revoked", reason)

    def _swap(self, opened: OpenedModel) -> None:
        model = opened.model
        previous, self._slot.current = self._slot.current, model
        self._serving_key_id = opened.key_id
        if previous is not None:
            metrics.model_info.labels(model_version=previous.version, manifest_hash=previous.manifest_hash).set(0)
        metrics.model_info.labels(model_version=model.version, manifest_hash=model.manifest_hash).set(1)
        # Freeze start-up objects out of later GC passes.
        gc.collect()
        gc.freeze()
        _log.info(
            "model loaded",
            extra={"model_version": model.version, "hash_verified": True, "sig_verified": True},
        )
        try:
            self._mark.raise_to(model.version)
        except StoreUnavailableError as error:
            _log.warning("the last accepted version was not noted: %s", error)

    def _fail(self, version: str, check: str, message: str) -> None:
        self._failed = version
        metrics.model_load_failures_total.labels(check=check).inc()
        serving = self._slot.current
        _log.critical(
            "model refused",
            extra={
                "model_version": version,
                "check": check,
                "reason": message,
                "still_serving": serving.version if serving is not None else None,
            },
        )
        if serving is None:
            try:
                self._safe_mode.enable(f"model {version} refused: {message}", by=self._name)
            except SafeModeUnavailableError:
                # Without Redis nothing is scored anyway; the empty slot refuses, and the next turn tries again.
                self._failed = None


def slot_version(slot: ModelSlot) -> Callable[[], str | None]:
    """Returns a function that returns the version in a slot, None while it is empty."""
    return lambda: slot.current.version if slot.current is not None else None
