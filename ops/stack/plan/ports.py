"""Which ports the processes of a stack get: what the user chose as it is, else the usual one or any that is free."""

from dataclasses import dataclass, field

from ops.errors import StackError
from ops.processes.ports import LOOPBACK, check_port, free_port, is_free, refusal_of_taken, reserve
from settings import Settings
from settings.metrics_ports import NoMetricsPortError, metrics_port

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
    _moved: list[str] = field(default_factory=list)

    def take(self, wanted: int, name: str, host: str = LOOPBACK) -> int:
        """Returns a port for the named server and notes when it is not the wanted one; 0 wants any."""
        port = wanted
        while port == 0 or port in self._taken or not is_free(port, host) or not reserve(port):
            port = free_port()
        if wanted and port != wanted:
            self.notes.append(f"Port {wanted} is taken; {name} listens on {port} instead.")
        self._taken[port] = name
        return port

    def of_metrics(self, settings: Settings, name: str, process: tuple[str, int, str | None]) -> int:
        """Returns the metrics port of a process: its own, or any where nobody chose METRICS_PORT_BASE.

        Args:
            settings: of the stack.
            name: of the process.
            process: its role, its number and its shard.

        Raises:
            ops.errors.StackError: METRICS_PORT_BASE was chosen and the port is taken, or the process has none.
        """
        role, number, shard = process
        try:
            wanted = metrics_port(
                role, number, base=settings.metrics_port_base, shard=shard, shards=list(settings.score_shard_urls)
            )
        except NoMetricsPortError as error:
            raise StackError(str(error)) from error
        host = settings.metrics_host
        if wanted and (wanted in self._taken or not is_free(wanted, host)):
            if "metrics_port_base" in settings.model_fields_set:
                self._wait_for(wanted, host, f"METRICS_PORT_BASE {settings.metrics_port_base} gives {name} the port")
            else:
                self._moved.append(name)
                wanted = 0
        return self.take(wanted, name, host)

    def _wait_for(self, port: int, host: str, beginning: str) -> None:
        try:
            if port in self._taken:
                raise StackError
            check_port(port, host, setting=beginning, patience_seconds=_PATIENCE_SECONDS)
        except StackError as error:
            holder = self._taken.get(port, "another process")
            raise StackError(
                f"{beginning} {port}, which {holder} has: choose another base, or 0 for any ports."
            ) from error

    def notes_of_metrics(self) -> list[str]:
        """Returns a sentence about the processes whose usual metrics port is taken, if there are any."""
        if not self._moved:
            return []
        names = ", ".join(self._moved)
        others = "so they have others, which `python -m ops status` shows"
        return [f"The metrics ports of {names} are taken, {others}; with METRICS_PORT_BASE chosen, they never change."]

    def of_people(self, settings: Settings) -> dict[str, int]:
        """Returns the ports of the API and of Flower, which people choose and remember, by role.

        Raises:
            ops.errors.StackError: one that the user chose cannot be listened on.
        """
        wanted = {
            "web": ("web_port", "the API", settings.web_host),
            "flower": ("flower_port", "Flower", settings.flower_host),
        }
        if settings.metrics_port:
            self.notes.append(
                f"METRICS_PORT {settings.metrics_port} is not used: it is one worker's, and the stack has several, "
                "whose ports METRICS_PORT_BASE fixes and `python -m ops status` shows."
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
        if not is_shared and not reserve(port):
            raise refusal_of_taken(setting.upper(), port)
        self._taken[port] = name
        return port
