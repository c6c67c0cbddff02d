"""Checks, before a process starts, that Redis is configured to keep what the platform promises."""

import redis

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.persistence_redis import Persistence, broken_promises, read_persistence
from ops.cli.redis_refusals import refusal_sentence
from ops.errors import OpsError
from settings import Environment, Settings

_LOOK_SECONDS = 2.0


def check_promises(settings: Settings) -> None:
    """Refuses a Redis that would lose answers: in production, and wherever it cannot wait for its disk or its replicas.

    A shard's process asks its shard, every other process REDIS_URL. In development the workers log the problems. A
    server that does not answer yet is checked later, by the workers. A user whom the server does not know is refused
    everywhere.

    Raises:
        OpsError: the process must not start.
    """
    _check_user(settings)
    is_production, replicas = settings.environment is Environment.PRODUCTION, settings.durability_replicas
    if not (is_production or settings.waits_for_disk or replicas):
        return
    try:
        server = _ask(settings)
    except StoreUnavailableError:
        return
    problems = list(broken_promises(server, waits_for_disk=settings.waits_for_disk, replicas=replicas))
    if is_production and problems:
        raise OpsError("production refuses to start: " + " ".join(problems))
    if server.replicas < replicas:
        raise OpsError(problems[0])
    if settings.waits_for_disk and not (server.has_aof and server.knows_barrier):
        raise OpsError(problems[0] if not server.has_aof else problems[-1])


def _check_user(settings: Settings) -> None:
    """Refuses a user whom Redis does not know, which would look like a server that does not answer.

    Raises:
        OpsError: the user name or the password is wrong or missing.
    """
    try:
        with _client(settings) as client:
            client.time()  # granted to every user but the one without a name
    except (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise OpsError(refusal_sentence(error) or "Redis refuses this user.") from error
    except redis.exceptions.RedisError:
        return


def _ask(settings: Settings) -> Persistence:
    with _client(settings) as client:
        return read_persistence(client)


def _client(settings: Settings) -> redis.Redis:
    # Not through the wiring, whose clients count round trips: this process's are not to be measured.
    url = settings.delivery_url
    options = settings.redis_tls_options(url)
    return redis.Redis.from_url(url, socket_timeout=_LOOK_SECONDS, socket_connect_timeout=_LOOK_SECONDS, **options)
