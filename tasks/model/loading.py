"""Loading the champion: verified, checked against its golden vectors, warmed, and only then swapped in."""

import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ml.domain.errors import ArtifactError, MlError, StoreUnavailableError
from ml.registry.registry import ModelRegistry, RegistryError
from ml.registry.release import open_version
from ml.serving.memory_guard import bounded_memory
from ml.serving.pipeline import ModelSlot
from ml.serving.runtime import ScoringModel
from ml.stores.accepted_version.accepted_version import AcceptedVersion
from observability import metrics
from security.artifacts.artifact_keys import ArtifactVerifier
from security.safe_mode.safe_mode import SafeModeStore, SafeModeUnavailableError
from tasks.complaints import Complaints
from tasks.model.attempts import Attempts
from tasks.model.load_turn import LoadTurn, OwnTurn, Queueing

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

    A version that fails a check is never loaded. With a model serving, that model goes on serving; without one, SAFE
    MODE is entered. A failed version is tried again after ever longer pauses, at most a minute, and at once when SAFE
    MODE was left: a disk or a mounted folder may have failed for a moment.

    A serving version that is revoked, or no longer computes what it computed at its training, is withdrawn at once, and
    SAFE MODE entered.

    `refresh` and `test` may take seconds and belong on one thread, so that loads never overlap;
    `withdraw_revoked` and `check_serving` may run beside them.

    Args:
        registry: names the champion.
        verifier: accepted keys.
        slot: where the pipeline takes its model from.
        safe_mode: the shared switch.
        mark: the last accepted version, kept apart from the registry.
        name: this process, as the audit shows it.
        open_model: makes a servable model of a version.
        turn: keeps the processes that serve from loading all at once.
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
        turn: LoadTurn | None = None,
    ) -> None:
        self._registry = registry
        self._verifier = verifier
        self._slot = slot
        self._safe_mode = safe_mode
        self._mark = mark
        self._name = name
        self._open_model = open_model
        self._queueing = Queueing(turn or OwnTurn())
        self._attempts = Attempts()
        self._complaints = Complaints()
        self._changing = threading.RLock()
        self._serving_key_id = ""
        self._alarm: str | None = None
        """What is to be said and could not be."""
        self._alarmed: str | None = None
        """What was said last; saying it again for each attempt would push other events out of the audit."""

    def refresh(self) -> None:
        """Loads the champion if it is not the one that serves; withdraws the one that serves if it was revoked."""
        self.withdraw_revoked()
        if self._alarm is not None and not self._raise_alarm(self._alarm):
            return  # what nobody has been told of must not be mended in silence
        try:
            champion = self._registry.state().champion
        except RegistryError as error:
            if self._is_due(_REGISTRY):
                self._fail(_REGISTRY, "registry", error)
            return
        if champion == self._serving_version():
            self._attempts.succeeded()
        elif champion is not None and self._is_due(champion):
            try:
                self._load_in_turn(champion)
            except StoreUnavailableError as error:
                # Without the mark it is unknown whether the version is too old; the next turn tries again.
                if self._complaints.is_due(str(error)):
                    _log.warning("the model is not loaded yet: %s", error)

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
        under, state = self._mark.override(), self._registry.state()
        if state.champion is None:
            raise RegistryError("the registry names no champion")
        opened = self.open(state.champion, state.high_water_mark)
        if self._slot.current is None:
            self._serve(opened, under)

    def withdraw_revoked(self) -> None:
        """Withdraws the serving model if its version or key was revoked, and enters SAFE MODE."""
        serving = self._slot.current
        if serving is None:
            return
        reason = self._verifier.revocation(key_id=self._serving_key_id, version=serving.version)
        if reason is not None:
            self._withdraw(serving, ArtifactError("revoked", reason))

    def check_serving(self) -> None:
        """Scores the golden vectors of the serving model; one that fails is withdrawn, and SAFE MODE entered.

        A run that ends with an error is repeated once, because memory may be short for a moment; a wrong result is not.
        """
        serving = self._slot.current
        if serving is None:
            return
        for may_repeat in (True, False):
            try:
                serving.check_golden()
            except ArtifactError as error:
                if error.check == "format" and may_repeat:
                    continue
                self._withdraw(serving, error)
            return

    def _serving_version(self) -> str | None:
        serving = self._slot.current
        return serving.version if serving is not None else None

    def _is_due(self, subject: str) -> bool:
        """Whether the subject is worth a try: it did not fail, its pause is over, or SAFE MODE was left."""
        if self._attempts.is_due(subject):
            return True
        if self._slot.current is not None:
            return False
        try:
            return not self._safe_mode.read().enabled
        except SafeModeUnavailableError:
            return False

    def _load_in_turn(self, version: str) -> None:
        """Loads a version, one process at a time while others serve.

        Raises:
            StoreUnavailableError: Redis does not answer for the mark or the turn.
        """
        if self._slot.current is None:
            self._load(version)
        elif self._queueing.is_mine():
            try:
                self._load(version)
            finally:
                self._queueing.is_over()

    def _load(self, version: str) -> None:
        # In this order: an administrator's change after the override was read is seen when the version is noted.
        under, state = self._mark.override(), self._registry.state()
        if state.champion != version:
            return
        try:
            opened = self.open(version, state.high_water_mark)
        except ArtifactError as error:
            self._fail(version, error.check, error)
        else:
            self._serve(opened, under)

    def _serve(self, opened: OpenedModel, under: str) -> None:
        """Notes the version as accepted, then serves it; neither if an administrator has changed the mark since.

        Raises:
            StoreUnavailableError: the version could not be noted.
        """
        model = opened.model
        if not self._mark.raise_to(model.version, under=under):
            _log.info(
                "a loaded model is dropped: the champion was changed meanwhile", extra={"model_version": model.version}
            )
            return
        with self._changing:
            previous, self._slot.current = self._slot.current, model
            self._serving_key_id = opened.key_id
        self._attempts.succeeded()
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

    def _withdraw(self, serving: ScoringModel, error: ArtifactError) -> None:
        with self._changing:
            if self._slot.current is not serving:
                return  # swapped or withdrawn meanwhile
            self._slot.current = None
        metrics.model_info.labels(model_version=serving.version, manifest_hash=serving.manifest_hash).set(0)
        self._fail(serving.version, error.check, error)

    def _fail(self, version: str, check: str, error: MlError) -> None:
        message = str(error)
        is_news = self._attempts.failed(version, message)
        metrics.model_load_failures_total.labels(check=check).inc()
        still_serving = self._serving_version()
        _log.log(
            logging.CRITICAL if is_news else logging.WARNING,
            "model refused" if is_news else "model refused again",
            extra={"model_version": version, "check": check, "reason": message, "still_serving": still_serving},
        )
        if still_serving is None and not self._attempts.may_pass(error):
            self._raise_alarm(f"model {version} refused: {message}")

    def _raise_alarm(self, reason: str) -> bool:
        """Enters SAFE MODE, or leaves that to the next turn; returns whether every process knows."""
        self._alarm = reason
        try:
            if not self._safe_mode.read().enabled or reason != self._alarmed:
                self._safe_mode.enable(reason, by=self._name)
        except SafeModeUnavailableError:
            # Without Redis nothing is scored anyway, and the empty slot refuses.
            return False
        self._alarm, self._alarmed = None, reason
        return True


def slot_version(slot: ModelSlot) -> Callable[[], str | None]:
    """Returns a function that returns the version in a slot, None while it is empty."""
    return lambda: slot.current.version if slot.current is not None else None
