"""Loading the champion: verified, checked against its golden vectors, warmed, and only then swapped in."""

import gc
import logging
from collections.abc import Callable
from typing import Protocol

from ml.errors import ArtifactError
from ml.registry import ModelRegistry, RegistryError
from ml.release import open_version
from ml.runtime import ScoringModel
from ml.scoring import ModelSlot
from observability import metrics
from security.artifact_keys import ArtifactVerifier
from security.safe_mode import SafeModeStore, SafeModeUnavailableError

_log = logging.getLogger(__name__)


class OpenModel(Protocol):
    """Makes a model of a registered version, warm and after every check; raises like `open_champion`."""

    def __call__(
        self, version: str, *, registry: ModelRegistry, verifier: ArtifactVerifier, minimum_version: str | None
    ) -> ScoringModel:
        """Returns the model."""
        ...


def open_champion(
    version: str, *, registry: ModelRegistry, verifier: ArtifactVerifier, minimum_version: str | None
) -> ScoringModel:
    """Returns the model of a version that is not older than the last accepted one, ready to serve.

    Raises:
        ArtifactError: a check failed; `check` names it.
    """
    model = open_version(version, registry=registry, verifier=verifier, minimum_version=minimum_version).model
    model.warm_up()
    return model


class ModelKeeper:
    """Keeps a slot filled with the registry's champion.

    A version that fails a check is never loaded. With a model serving, that model goes on serving; without one,
    SAFE MODE is entered. A failed version is not tried again by this process until the registry has named another.

    Args:
        registry: names the champion.
        verifier: accepted keys.
        slot: where the pipeline takes its model from.
        safe_mode: the shared switch.
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
        name: str,
        open_model: OpenModel = open_champion,
    ) -> None:
        self._registry = registry
        self._verifier = verifier
        self._slot = slot
        self._safe_mode = safe_mode
        self._name = name
        self._open_model = open_model
        self._failed: str | None = None

    def refresh(self) -> None:
        """Loads the champion if it is not the one that serves."""
        try:
            state = self._registry.state()
        except RegistryError as error:
            self._fail("registry", "registry", str(error))
            return
        serving = self._slot.current.version if self._slot.current is not None else None
        if state.champion in {None, serving, self._failed}:
            return
        version = str(state.champion)
        try:
            model = self._open_model(
                version, registry=self._registry, verifier=self._verifier, minimum_version=state.high_water_mark
            )
        except ArtifactError as error:
            self._fail(version, error.check, str(error))
            return
        self._failed = None
        self._swap(model)

    def _swap(self, model: ScoringModel) -> None:
        previous, self._slot.current = self._slot.current, model
        if previous is not None:
            metrics.model_info.labels(model_version=previous.version, manifest_hash=previous.manifest_hash).set(0)
        metrics.model_info.labels(model_version=model.version, manifest_hash=model.manifest_hash).set(1)
        # What the model holds lives as long as the process: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        _log.info(
            "model loaded",
            extra={"model_version": model.version, "hash_verified": True, "sig_verified": True},
        )

    def _fail(self, version: str, check: str, message: str) -> None:
        if self._failed == version:
            return
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
    """Returns a function that tells the version in a slot, None while it is empty."""
    return lambda: slot.current.version if slot.current is not None else None
