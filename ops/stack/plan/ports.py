"""Which ports the processes of a stack get: what the user chose as it is, else the usual one or any that is free."""

from dataclasses import dataclass, field

from ops.errors import StackError
from ops.processes.ports import LOOPBACK, check_port, free_port, is_free
from settings import Settings

_PATIENCE_SECONDS = 5.0
"""A killed stack's API notices only after a second or two that its supervisor is gone."""


@dataclass
class Ports:
    """Hands out ports, each once.

    Attributes:
        notes: sentences about usual ports that were taken.
    """

    notes: list[str] = field(default_factory=list)
    _taken: dict[int, str] = field(default_factory=dict)

    def take(self, wanted: int, name: str, host: str = LOOPBACK) -> int:
        """Returns a port for the named server and notes when it is not the wanted one; 0 wants any."""
        port = wanted
        while port == 0 or port in self._taken or not is_free(port, host):
            port = free_port()
        if wanted and port != wanted:
            self.notes.append(f"Port {wanted} is taken; {name} listens on {port} instead.")
        self._taken[port] = name
        return port

    def of_people(self, settings: Settings) -> dict[str, int]:
        """Returns the ports of the API and of Flower, which people choose and remember, by role.

        Raises:
            ops.errors.StackError: one that the user chose cannot be listened on.
        """
        wanted = {
            "web": ("web_port", "the API", settings.web_host),
            "flower": ("flower_port", "Flower", settings.flower_host),
        }
        if settings.metrics_port and "metrics_port" in settings.model_fields_set:
            self.notes.append(
                f"METRICS_PORT {settings.metrics_port} is not used: it is one worker's, and the stack has several, "
                "whose ports `python -m ops status` shows."
            )
        # Chosen ports go before usual ones: of two that are equal, the usual one is replaced.
        roles = sorted(wanted, key=lambda role: wanted[role][0] not in settings.model_fields_set)
        return {role: self._of_person(settings, *wanted[role]) for role in roles}

    def _of_person(self, settings: Settings, setting: str, name: str, host: str) -> int:
        port: int = getattr(settings, setting)
        is_chosen = setting in settings.model_fields_set and port != 0
        if is_chosen and port in self._taken:
            raise StackError(f"{setting.upper()} {port} is the port of {self._taken[port]} already; choose another.")
        # With WEB_REUSE_PORT another instance of the API may listen there, and this one beside it.
        is_shared = setting == "web_port" and settings.web_reuse_port
        check_port(
            port if is_chosen and not is_shared else 0,
            host,
            setting=setting.upper(),
            patience_seconds=_PATIENCE_SECONDS,
        )
        if not is_chosen:
            return self.take(port, name, host)
        self._taken[port] = name
        return port
