"""Asks a Redis server, or a cluster of them, whether a process could work with it."""

from collections.abc import Iterator, Sequence

import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.persistence_redis import broken_promises, read_persistence
from ops.cli.redis_refusals import refusal_sentence
from settings import Settings
from settings.redis_urls import cluster_node_urls
from settings.server_urls import without_credentials

_LOOK_SECONDS = 3.0


def ask_redis(settings: Settings, name: str, url: str, *, keeps_answers: bool) -> Sequence[str]:
    """Returns a sentence for everything that keeps a process from working with a server.

    Args:
        settings: of the process; its TLS files and its durability count.
        name: what leads to the server, for the sentences.
        url: of the server, or of a cluster's nodes, of which one must answer.
        keeps_answers: whether it must keep what was answered.
    """
    nodes = cluster_node_urls(url) or [url]
    answers = [list(_ask(settings, name, node, keeps_answers=keeps_answers)) for node in nodes]
    return [] if [] in answers else answers[0]


def _ask(settings: Settings, name: str, url: str, *, keeps_answers: bool) -> Iterator[str]:
    shown = without_credentials(url)
    try:
        with _client(settings, url) as client:
            client.time()  # granted to every user but the one without a name
            if not keeps_answers:
                return
            facts = client.info("replication")
            if facts["role"] != "master":
                yield f"{name}: Redis at {shown} is a replica and takes no writes; name its primary."
            promises = broken_promises(
                read_persistence(client),
                waits_for_disk=settings.waits_for_disk,
                replicas=settings.durability_replicas,
            )
            yield from (f"{name}: {promise}" for promise in promises)
    except (redis.exceptions.RedisError, StoreUnavailableError, OSError) as error:
        refused = refusal_sentence(error)
        way_out = "start it, or correct the address and the REDIS_…_FILE settings"
        yield f"{name}: {refused or f'Redis at {shown} does not answer ({_why(error)}); {way_out}.'}"


def _why(error: BaseException) -> str:
    """Returns the cause as the operating system or TLS puts it; none of it repeats what was sent."""
    text = str(error).partition(" connecting to ")[0] if "Error 111" in str(error) else str(error)
    return {"Error 111": "connection refused"}.get(text, text.rstrip(".") or type(error).__name__)


def _client(settings: Settings, url: str) -> redis.Redis:
    options = settings.redis_tls_options(url)
    return redis.Redis.from_url(url, socket_timeout=_LOOK_SECONDS, socket_connect_timeout=_LOOK_SECONDS, **options)
