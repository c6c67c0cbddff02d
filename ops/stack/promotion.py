"""An operator's promotion of a model: audited before it counts wherever a model may already serve.

Two promotions need no server. The first model of a registry replaces nothing. And a champion that fails a check keeps
the stack from starting, so the audit could not be reached before another one takes its place. Both are audited all the
same where the servers are there; where they are not, the operator is told so.
"""

from dataclasses import dataclass
from getpass import getuser
from socket import gethostname

from ml.domain.errors import ArtifactError, StoreUnavailableError
from ml.registry.registry import ModelRegistry, RegistryError, RegistryState
from ops.errors import StackError
from ops.stack.addresses import MONGO, REDIS, joined_settings
from security.artifacts.artifact_keys import ArtifactVerifier
from security.errors import SecurityError
from settings import Settings


@dataclass(frozen=True)
class Promotion:
    """What was found before anything was promoted.

    Attributes:
        registry: the versions.
        before: the aliases that the operator decided on; if the champion changes meanwhile, nothing is promoted.
        servers: settings that lead to Redis and MongoDB; None where none runs and none is named.
        replaces: whether the champion before it can serve.
    """

    registry: ModelRegistry
    before: RegistryState
    servers: Settings | None
    replaces: bool

    @classmethod
    def look(cls, settings: Settings) -> "Promotion":
        """Returns what the registry and the servers are now; training may take place before `make`.

        Raises:
            RegistryError: the registry cannot be read.
            StackError: a champion serves, and the audit of its replacement leads nowhere.
        """
        registry = ModelRegistry(settings.models_path)
        before = registry.state()
        replaces = before.champion is not None and can_be_served(before.champion, settings)
        try:
            servers = joined_settings(REDIS, MONGO)
        except StackError as error:
            if replaces:
                raise StackError(
                    f"{before.champion} is the champion, and a promotion over it is written to the audit first: {error}"
                ) from error
            servers = None
        return cls(registry, before, servers, replaces)

    def make(self, version: str, *, reason: str) -> str:
        """Makes a version that passed its checks the champion; returns what the operator must know, mostly nothing.

        Raises:
            MlError, SecurityError: it may not be promoted, or the audit does not answer and a champion serves.
        """
        if self.servers is None:
            self.registry.promote(version, over=self.before)
            return "The audit does not hold this promotion: neither a stack nor REDIS_URL and MONGO_URL lead to one."
        # Servers' clients, which a first model does without.
        from tasks.wiring.connections import Connections
        from tasks.wiring.stores import model_administration

        # The models are those that were looked at, whatever stack the servers belong to.
        settings = self.servers.model_copy(update={"model_dir": self.registry.path})
        with Connections(settings) as connections:
            try:
                model_administration(connections).promote(version, by=account(), reason=reason, over=self.before)
            except (SecurityError, StoreUnavailableError) as error:
                if self.replaces:
                    raise
                self.registry.promote(version, over=self.before)
                return f"The audit does not hold this promotion: {str(error).rstrip('.')}."
        return ""


def can_be_served(version: str, settings: Settings) -> bool:
    """Whether a version passes every check that a scoring worker makes."""
    # onnxruntime takes its time to load, and only this check needs it.
    from ml.registry.release import open_version

    try:
        open_version(
            version,
            registry=ModelRegistry(settings.models_path),
            verifier=ArtifactVerifier.from_settings(settings),
        )
    except (ArtifactError, RegistryError):
        return False
    return True


def account() -> str:
    """Returns who works at this terminal, as the audit names an operator."""
    return f"{getuser()}@{gethostname()}"
