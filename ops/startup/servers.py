"""Asks each server that a kind of process connects to, all at the same time, and says what each one lacks.

Nothing is written anywhere, and one bound holds for all of them together.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from ops.errors import OpsError
from ops.startup.servers_kafka import ask_kafka
from ops.startup.servers_mongo import ask_mongo
from ops.startup.servers_redis import ask_redis
from security.errors import SecurityError
from security.tokens.jwks_keys import JwksKeys, key_source
from settings import Environment, Settings
from settings.production_connections import opened_by

PATIENCE_SECONDS = 15.0
"""For all servers together; each client gives up well before."""

_CONNECT_SECONDS = 3.0

Ask = Callable[[], Sequence[str]]


@dataclass
class _Question:
    """What is asked of one server.

    Attributes:
        name: the setting that leads to it.
        ask: returns a sentence for everything that is wrong.
        answer: these sentences; None until the server has answered.
    """

    name: str
    ask: Ask
    answer: list[str] | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Asks, and keeps the answer."""
        try:
            self.answer = list(self.ask())
        except (SecurityError, OpsError) as error:
            self.answer = [str(error)]
        except Exception as error:  # noqa: BLE001 - a client's surprise is an answer too, and must hide no other server's
            self.answer = [f"{self.name} cannot be asked ({type(error).__name__}); check it."]
        finally:
            self.done.set()


def server_problems(
    settings: Settings, role: str, *, left_out: frozenset[str] = frozenset(), patience_seconds: float = PATIENCE_SECONDS
) -> list[str]:
    """Returns a sentence for everything that the servers of a kind of process lack.

    Args:
        settings: as the process reads them.
        role: of the process; `platform` for all of them.
        left_out: settings that are malformed; what stands in their place leads to somebody else's servers.
        patience_seconds: after which a server that has not answered is named.
    """
    # The rules about connections are other sentences; here a server is asked whether or not it has TLS.
    asking = settings.model_copy(update={"environment": Environment.DEVELOPMENT})
    questions = [_Question(name, ask) for name, ask in _questions(asking, role) if name not in left_out]
    for question in questions:
        # Daemons: a client that hangs must not keep the command from ending.
        threading.Thread(target=question.run, daemon=True, name=f"ask-{question.name}").start()
    timer = threading.Event()
    bound = threading.Timer(patience_seconds, timer.set)
    bound.daemon = True
    bound.start()
    problems: list[str] = []
    for question in questions:
        while not question.done.wait(0.05) and not timer.is_set():
            pass
        late = f"{question.name.upper()} leads to a server that has not answered in {patience_seconds:g} seconds."
        problems += [late] if question.answer is None else question.answer
    bound.cancel()
    return problems


def _questions(settings: Settings, role: str) -> Iterator[tuple[str, Ask]]:
    """Yields the setting that leads to each server, and what is asked of it; each server is asked once."""
    opened, keeps = opened_by(settings, role), role != "flower"
    shards = settings.score_shard_urls if settings.shard is None else {settings.shard: settings.delivery_url}
    # What shards keep they keep themselves; REDIS_URL keeps what all share.
    yield "redis_url", partial(ask_redis, settings, "REDIS_URL", settings.redis_url, keeps_answers=keeps)
    if "score_shard_urls" in opened:
        for shard, url in shards.items():
            title = f"SCORE_SHARD_URLS, shard {shard}"
            yield "score_shard_urls", partial(ask_redis, settings, title, url, keeps_answers=keeps)
    for name in ("broker_url", "feature_redis_url"):
        url = getattr(settings, name)
        if name in opened and url is not None and url != settings.redis_url:
            yield name, partial(ask_redis, settings, name.upper(), url, keeps_answers=False)
    if "mongo_url" in opened:
        yield "mongo_url", partial(ask_mongo, settings)
    if "kafka_bootstrap" in opened:
        yield "kafka_bootstrap", partial(ask_kafka, settings)
    if "jwt_jwks_url" in opened and settings.jwt_jwks_url is not None:
        yield "jwt_jwks_url", partial(_ask_key_set, settings)
    if "mlflow_tracking_uri" in opened and (settings.mlflow_tracking_uri or "").startswith("http"):
        yield "mlflow_tracking_uri", partial(_ask_web_server, "MLFLOW_TRACKING_URI", settings.mlflow_uri)


def _ask_key_set(settings: Settings) -> Sequence[str]:
    source = key_source(settings)
    if isinstance(source, JwksKeys):
        source.refresh()
    return ()


def _ask_web_server(name: str, url: str) -> Sequence[str]:
    """Returns nothing if something listens at a URL; the first use finds out what."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((str(parts.hostname), port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return [f"{name} leads to a server that does not answer ({error.strerror or error}); start it, or correct it."]
    return ()
