"""A running stack, scraped for some minutes as people scrape, with a change of the token in the middle."""

import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ops.credentials.minting import mint
from ops.credentials.token_file import new_token_file
from ops.errors import StackError
from ops.processes.ports import loopback_of
from ops.proving.scraping.findings import Findings, find
from ops.proving.scraping.prometheus import Target, running_prometheus
from ops.stack import state
from ops.stack.plan.roles import ROLES
from security.roles import Role
from security.tokens.minted_tokens import TokenRequest
from settings import Settings


def scrape_stack(
    settings: Settings, *, seconds: float, interval_seconds: float, on_tick: Callable[[float], None]
) -> list[Findings]:
    """Returns what Prometheus saw of each process of the running stack.

    Args:
        settings: of the stack; its keys sign two tokens that live as long as this takes.
        seconds: how long.
        interval_seconds: between scrapes.
        on_tick: called now and then with the seconds that are left.

    Raises:
        StackError: no stack runs.
    """
    stack = state.read(settings.var_dir)
    if stack is None:
        raise StackError(f"No stack runs in {settings.var_dir}: start one by `python -m ops up`.")
    with tempfile.TemporaryDirectory(prefix="shrike-scrape-") as name:
        token_file = Path(name) / "metrics.token"
        targets = stack_targets(settings, stack, token_file)
        _new_token(settings, token_file, seconds)
        with running_prometheus(Path(name), targets, interval_seconds=interval_seconds) as prometheus:
            _wait(seconds / 2, lambda left: on_tick(left + seconds / 2))
            _new_token(settings, token_file, seconds)
            _wait(seconds / 2, on_tick)
            return find(prometheus, targets, seconds=seconds + 60)


def stack_targets(settings: Settings, stack: state.StackState, token_file: Path) -> Sequence[Target]:
    """Returns every process of a stack that shows metrics."""
    api = urlsplit(stack.urls["api"])
    authority = settings.tls_certificate_file if api.scheme == "https" else None
    host = loopback_of(settings.metrics_host)
    of_role = {role.name for role in ROLES if role.has_metrics_port}
    own = [
        Target(process.name, f"[{host}]:{process.port}" if ":" in host else f"{host}:{process.port}")
        for process in stack.processes
        if process.name.partition("-")[0] in of_role
    ]
    return [Target("web", api.netloc, token_file, authority), *own]


def _new_token(settings: Settings, path: Path, seconds: float) -> None:
    now = int(time.time())
    wanted = TokenRequest(secrets.token_hex(16), "scrape-proof", [Role.METRICS], now, now + int(seconds) + 600)
    with new_token_file(path, mint(settings, wanted, private_key=None)):
        pass


def _wait(seconds: float, on_tick: Callable[[float], None]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        on_tick(left)
        time.sleep(min(1.0, left))
