"""A Prometheus server of our own: started on a free port, asked over HTTP, gone with its folder."""

import json
import shutil
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from ops.errors import OpsError
from ops.processes.health import answers_ok
from ops.processes.ports import LOOPBACK, free_port, wait_until
from ops.processes.spawn import spawn, stop


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped.

    Attributes:
        job: `web`, or the name of a worker.
        address: host and port.
        token_file: of a bearer token, if it takes one.
        authority: PEM certificates of a target that speaks TLS.
    """

    job: str
    address: str
    token_file: Path | None = None
    authority: Path | None = None

    def scrape_config(self) -> Mapping[str, Any]:
        """Returns its part of Prometheus' configuration."""
        config: dict[str, Any] = {"job_name": self.job, "static_configs": [{"targets": [self.address]}]}
        if self.token_file is not None:
            config["authorization"] = {"credentials_file": str(self.token_file.absolute())}
        if self.authority is not None:
            config |= {"scheme": "https", "tls_config": {"ca_file": str(self.authority.absolute())}}
        return config


@dataclass(frozen=True, slots=True)
class Series:
    """One time series: its labels, its name among them, and its values in the order of time."""

    labels: Mapping[str, str]
    values: Sequence[float]

    @property
    def name(self) -> str:
        """Name and labels, as Prometheus writes them; of a query's result the labels alone."""
        labels = ", ".join(f'{key}="{value}"' for key, value in sorted(self.labels.items()) if key != "__name__")
        return f"{self.labels.get('__name__', '')}{{{labels}}}"


class Prometheus:
    """Asks a running server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def samples(self, selector: str, *, seconds: float) -> list[Series]:
        """Returns every sample that was scraped in the last seconds, by series."""
        found = self._query(f"{selector}[{max(1, round(seconds))}s]")
        return [Series(one["metric"], [float(value) for _, value in one["values"]]) for one in found]

    def value(self, query: str) -> float | None:
        """Returns the value of a query with one result; None without any."""
        found = self._query(query)
        return float(found[0]["value"][1]) if found else None

    def _query(self, query: str) -> list[dict[str, Any]]:
        url = f"http://{LOOPBACK}:{self.port}/api/v1/query?{urlencode({'query': query})}"
        with urlopen(url, timeout=60) as answer:  # nosec B310 - http on loopback
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


@contextmanager
def running_prometheus(folder: Path, targets: Sequence[Target], *, interval_seconds: float) -> Iterator[Prometheus]:
    """Starts a server that scrapes the targets until the block ends.

    Args:
        folder: for its configuration, its data and its log.
        targets: each a job of its own.
        interval_seconds: between two scrapes of a target, and the longest that one may take.

    Raises:
        OpsError: there is no Prometheus on this machine.
        ops.errors.ServerStartError: it does not start.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise OpsError("There is no prometheus on this machine: apt-get install prometheus, or put one on the PATH.")
    for target in targets:
        if target.authority is not None:
            ssl.create_default_context(cafile=target.authority)
    interval = f"{round(interval_seconds * 1000)}ms"
    config = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [target.scrape_config() for target in targets],
    }
    with started(binary, folder, config) as port:
        yield Prometheus(port)


@contextmanager
def started(binary: str, folder: Path, config: Mapping[str, Any]) -> Iterator[int]:
    """Starts a server with a configuration until the block ends; yields its port.

    Raises:
        ops.errors.ServerStartError: it does not start.
    """
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(config, indent=2))
    port, log = free_port(), folder / "prometheus.log"
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
    ]
    with log.open("wb") as output:
        process = spawn(command, output=output)
    try:
        wait_until(lambda: answers_ok(port, "/-/ready"), process, name="Prometheus", log=log)
        yield port
    finally:
        stop(process)
