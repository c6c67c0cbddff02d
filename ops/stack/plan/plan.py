"""Decides what a stack consists of: which servers are embedded, which ports are used, each process's environment."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ops.errors import StackError
from ops.processes.health import answers_ok
from ops.processes.ports import accepts, loopback_of
from ops.stack.addresses import named_addresses
from ops.stack.data_folder import data_folder
from ops.stack.plan.ports import Ports
from ops.stack.plan.roles import ROLES, Role, Stage, owners
from ops.stack.plan.servers import SERVERS, Server, check_reachable
from settings import Settings
from settings.server_urls import without_credentials


@dataclass(frozen=True)
class Process:
    """One process of the stack.

    Attributes:
        env: what is added to the supervisor's own environment.
        port: where it listens, if it does.
        is_background: whether it runs under SCHED_IDLE once it is ready.
        is_essential: whether a stack must not start without it.
        is_healthy: whether it is ready to work; None if there is nothing to ask but whether it lives.
        is_alive: whether it can go on at all; if not for some time, it is replaced. None if it is not asked.
    """

    name: str
    stage: Stage
    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int | None = None
    is_healthy: Callable[[], bool] | None = None
    is_background: bool = False
    is_essential: bool = False
    is_alive: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Plan:
    """Everything the supervisor starts.

    Attributes:
        urls: what people and clients connect to, by name; without passwords.
        env: the environment of every process, and of every command that joins this stack.
        notes: sentences about choices the user should know, such as a port that was taken.
    """

    processes: tuple[Process, ...]
    urls: Mapping[str, str]
    env: Mapping[str, str]
    notes: tuple[str, ...] = ()


def make_plan(settings: Settings, *, score_workers: int | None = None, web_processes: int | None = None) -> Plan:
    """Returns the plan of a stack with these settings; a server URL that the user gave is used as it is.

    Raises:
        ops.errors.StackError: a server that the user named does not answer, or a port that the user chose is taken.
    """
    ports = Ports()
    # The chosen ones first, so that none of the others gets one of them.
    own_ports = ports.of_people(settings)
    servers, env = _servers(settings, ports)
    web_port, flower_port = own_ports["web"], own_ports["flower"]
    env |= {"VAR_DIR": str(settings.var_dir), "WEB_PORT": str(web_port), "FLOWER_PORT": str(flower_port)}
    if "web_drain_seconds" not in settings.model_fields_set:  # no balancer looks at this stack's readiness
        env["WEB_DRAIN_SECONDS"] = "0"
    if web_processes is not None:
        env["WEB_PROCESSES"] = str(web_processes)
    counts = {role.name: role.count for role in ROLES}
    if score_workers is not None:
        counts["score"] = score_workers
    processes = [
        _process(
            role,
            _name(role, shard, number if counts[role.name] > 1 else None),
            number,
            env=env | ({} if shard is None else {"SHARD": shard}),
            port=own_ports.get(role.name),
            ports=ports,
            settings=settings,
        )
        for role in ROLES
        for shard in owners(role.name, settings.score_shard_urls)
        for number in range(1, counts[role.name] + 1)
    ]
    return Plan((*servers, *processes), _urls(settings, env), env, (*ports.notes, *ports.notes_of_metrics()))


def _servers(settings: Settings, ports: Ports) -> tuple[list[Process], dict[str, str]]:
    """Returns the embedded servers and the environment that leads every process to its servers."""
    processes: list[Process] = []
    env = named_addresses(settings)
    for server in SERVERS:
        if server.setting in settings.model_fields_set:
            check_reachable(server, str(getattr(settings, server.setting)))
            continue
        _refuse_credentials_without_a_server(server, settings)
        port = ports.take(server.default_port, server.title)
        directory = data_folder(settings.var_dir) / server.name
        env[server.setting.upper()] = server.url(port)
        processes.append(
            Process(
                server.name,
                Stage.SERVERS,
                tuple(server.command(directory, port, settings)),
                {},
                port,
                partial(server.is_healthy, port),
                is_background=server.is_background,
                is_essential=server.is_essential,
            )
        )
    return processes, env


def _refuse_credentials_without_a_server(server: Server, settings: Settings) -> None:
    """Refuses credentials for an embedded server, which knows no users."""
    name = f"{server.setting.removesuffix('_url')}_credentials_file"
    if getattr(settings, name, None) is not None:
        raise StackError(
            f"{name.upper()} is set and {server.setting.upper()} is not: name the server that knows this user, or take "
            "the file out; the embedded one knows none."
        )


def _process(
    role: Role,
    name: str,
    number: int,
    *,
    env: Mapping[str, str],
    port: int | None,
    ports: Ports,
    settings: Settings,
) -> Process:
    """Returns one process of a role."""
    argv = [sys.executable, "-m", "ops", *role.command]
    env = dict(env)
    if role.stage is Stage.WORKERS:
        argv += ["--number", str(number)]
    if role.has_metrics_port:
        port = ports.of_metrics(settings, name, (role.name, number, env.get("SHARD")))
        env["METRICS_PORT"] = str(port)
    is_healthy: Callable[[], bool] | None = None
    is_alive: Callable[[], bool] | None = None
    own_hosts = {"web": settings.web_host, "flower": settings.flower_host}
    host = loopback_of(own_hosts.get(role.name, settings.metrics_host))
    if port is not None and role.health_path is not None:
        is_healthy = partial(answers_ok, port, role.health_path, host=host)
        if role.name == "web" and settings.tls_certificate_file:
            is_healthy = partial(accepts, port, host)
    if port is not None and role.live_path is not None:
        is_alive = partial(answers_ok, port, role.live_path, host=host)
    return Process(
        name,
        role.stage,
        tuple(argv),
        env,
        port,
        is_healthy,
        is_background=role.is_background,
        is_essential=role.is_essential,
        is_alive=is_alive,
    )


def _name(role: Role, shard: str | None, number: int | None) -> str:
    return "-".join(str(part) for part in (role.name, shard, number) if part is not None)


def _urls(settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    """Returns where people find each part."""
    scheme = "https" if settings.tls_certificate_file else "http"
    api = f"{scheme}://{_in_url(settings.web_host)}:{env['WEB_PORT']}"
    return {
        "api": api,
        "docs": f"{api}/docs",
        "flower": f"http://{_in_url(settings.flower_host)}:{env['FLOWER_PORT']}",
        "redis": without_credentials(env["REDIS_URL"]),
        "mongo": without_credentials(env["MONGO_URL"]),
        "kafka": env["KAFKA_BOOTSTRAP"],
        "mlflow": without_credentials(settings.mlflow_uri),
    }


def _in_url(host: str) -> str:
    """Returns a host as URLs hold it: an IPv6 address in brackets."""
    reached = loopback_of(host)
    return f"[{reached}]" if ":" in reached else reached
