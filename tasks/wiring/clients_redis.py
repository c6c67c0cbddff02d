"""Makes Redis clients: which server, how long a caller waits, and when a command is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from redis import ConnectionPool, Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from observability.operations_redis import CountingRedis
from settings import Settings
from settings.production_connections import refuse_plain_redis
from tasks.connections_redis import connection_class
from tasks.wiring.pinned_redis import PinnedConnectionPool

_MOST_CONNECTIONS = 200
"""Of one client. Several stores share it, so it may open more than redis-py's 100: a web process reads decisions and
accepts labels over the same one."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a client waits for Redis, and which failures it retries.

    Attributes:
        timeout_seconds: longest wait for a connection and for each reply.
        retries: how often a failed command is repeated at once. One mends a connection that the server closed
            meanwhile; every write here may be repeated safely.
        retries_timeouts: whether a reply that came too late is worth a retry: not where the caller's deadline is no
            longer than the timeout.
    """

    timeout_seconds: float
    retries: int = 1
    retries_timeouts: bool = True

    def retry(self) -> Retry:
        """Returns the same in redis-py's words."""
        if self.retries_timeouts:
            return Retry(NoBackoff(), self.retries)
        return Retry(NoBackoff(), self.retries, (RedisConnectionError,))


def connect_redis(
    settings: Settings, url: str | None = None, wait: Wait | None = None, *, pinned: bool = False
) -> Redis:
    """Returns a Redis client with raw replies; it connects at its first command.

    Args:
        settings: of this process; its TLS files serve every server.
        url: of the server; REDIS_URL by default.
        wait: REDIS_SOCKET_TIMEOUT_SECONDS and one retry by default.
        pinned: gives the client one connection of its own, which is quicker for one user and a queue for several.

    Raises:
        SettingsRefusedError: production refuses the connection.
    """
    url = url or settings.redis_url
    refuse_plain_redis(settings, url)
    wait = wait or Wait(settings.redis_socket_timeout_seconds)
    pool = (PinnedConnectionPool if pinned else ConnectionPool).from_url(
        url,
        **settings.redis_tls_options(url),
        connection_class=connection_class(url),
        socket_timeout=wait.timeout_seconds,
        socket_connect_timeout=wait.timeout_seconds,
        socket_keepalive=True,
        max_connections=_MOST_CONNECTIONS,
        health_check_interval=15,
        retry=wait.retry(),
    )
    return CountingRedis.from_pool(pool)


def reply_timeout_seconds(client: Redis) -> float:
    """Returns how long a client of `connect_redis` waits for a reply."""
    return float(client.connection_pool.connection_kwargs["socket_timeout"])


def connect_redis_cluster(
    settings: Settings, urls: Sequence[str], *, timeout_seconds: float | None = None
) -> RedisCluster:
    """Returns a client of the Redis Cluster that the URLs' nodes belong to, with raw replies.

    Unlike `connect_redis` it asks the nodes for the map of the cluster at once.

    Args:
        settings: of this process; its TLS files serve every node.
        urls: of some nodes.
        timeout_seconds: longest wait for a connection and for each reply; REDIS_SOCKET_TIMEOUT_SECONDS by default.

    Raises:
        redis.exceptions.RedisClusterException: none of the nodes answers, or they are no cluster.
        SettingsRefusedError: production refuses the connection.
    """
    first, *others = urls
    refuse_plain_redis(settings, first)
    nodes = [urlsplit(url) for url in others]
    timeout = timeout_seconds or settings.redis_socket_timeout_seconds
    return RedisCluster.from_url(
        first,
        **settings.redis_tls_options(first),
        startup_nodes=[ClusterNode(node.hostname, node.port) for node in nodes],
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
        # The nodes' notices would keep the pools from noticing a connection with unread replies.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
