"""The connections of every Redis client here, those of Celery and RedBeat too: they hang up on a server that refuses.

A connection outlives the server's role. After a managed failover the address leads to the new master and the open
connection to the old one, which answers READONLY for ever. Libraries treat that answer as the command's fault: redis-py
keeps the connection, Celery's consumer ends. Here a refusal closes the connection and is a connection error, so each
library does what it does when a server is restarted: it connects again, soon.

A key that holds a value of another type is not the server's fault. The answer then names the keys of the command, so
that somebody can delete the wrong one. For the consumer of a worker, which would end, it is a refusal too.
"""

import logging
import time
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport import redis as kombu_redis
from redis import Connection, SSLConnection
from redis.exceptions import ResponseError

from ml.stores.redis.refusals_redis import REFUSALS, ROLE_CHANGES, WRONG_TYPE, RefusedError, refusal_code
from ml.stores.redis.sent_keys import sent_keys
from observability import metrics

_QUIET_SECONDS = 10.0
"""One log line per server, code and this many seconds: under load each request meets the refusal."""
_SHORTEST_ERA_SECONDS = 1.0
"""An address that keeps leading to a server without the role must not have every connection of the process opened
anew at each refusal."""

_log = logging.getLogger(__name__)


class _Server:
    """What this process has learnt of the server behind an address.

    Attributes:
        era: how often another server has taken its place there.
    """

    def __init__(self) -> None:
        self.era = 0
        self._era_began_at = float("-inf")
        self._told_at: dict[str, float] = {}

    def note(self, refusal: RefusedError) -> None:
        """Counts and logs a refusal; a change of roles begins an era."""
        now = time.monotonic()
        metrics.redis_refusals_total.labels(code=refusal.code).inc()
        if now - self._told_at.get(refusal.code, float("-inf")) >= _QUIET_SECONDS:
            self._told_at[refusal.code] = now
            _log.warning("Redis refuses commands; the connection is opened anew", extra={"reason": str(refusal)})
        if refusal.code in ROLE_CHANGES and now - self._era_began_at >= _SHORTEST_ERA_SECONDS:
            self._era_began_at = now
            self.era += 1


@cache
def _server(host: str, port: int) -> _Server:  # noqa: ARG001 - the key; a process knows a handful of servers
    return _Server()


if TYPE_CHECKING:
    _Base = Connection
else:
    _Base = object


class _HangsUp(_Base):
    """Closes itself when the server refuses for now.

    Attributes:
        codes: the refusals that count.
    """

    codes: ClassVar[frozenset[str]] = REFUSALS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_greeting = False
        self._sent: Any = ()
        self._server = _server(self.host, self.port)

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's own signature
        """Greets the server. redis-py passes over some commands that a user may lack the permission for."""
        self._is_greeting = True
        try:
            super().on_connect_check_health(check_health=check_health)
        except ResponseError as error:
            raise self._as_refusal(error) from error
        finally:
            self._is_greeting = False

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's own signature
        """Sends it, and remembers it for the sake of its keys."""
        super().send_packed_command(command, check_health)
        self._sent = command

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Returns the reply, or raises RefusedError on a connection that is closed by then."""
        try:
            return super().read_response(*args, **options)
        except ResponseError as error:
            if self._is_greeting:
                raise
            raise self._as_refusal(error) from error

    def _as_refusal(self, error: ResponseError) -> Exception:
        error = self._with_keys(error)
        code = refusal_code(error, self.codes)
        if code is None:
            return error
        self.disconnect()
        refusal = RefusedError(str(code), str(error))
        self._server.note(refusal)
        return refusal

    def _with_keys(self, error: ResponseError) -> ResponseError:
        if not str(error).startswith(WRONG_TYPE) or isinstance(self._sent, str):
            return error
        keys = ", ".join(sent_keys(self._sent))
        return ResponseError(f"{error}. Look at the TYPE of these keys and DEL the one that is wrong: {keys}")


class _SharesNews(_HangsUp):
    """Opens itself anew, too, once another connection of the process has met a change of roles at the same address.

    One that only reads would stay with the old server for ever.
    """

    # A missing permission stays an answer: some callers ask what they may do, and the stores know what it means.
    codes = REFUSALS - {"NOPERM"}
    _era = 0

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's own signature
        """Greets the server of the present era."""
        self._era = self._server.era
        super().on_connect_check_health(check_health=check_health)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's own signature
        """Sends to the server that the address leads to now."""
        if self._era != self._server.era and not self._is_greeting:
            self.disconnect()
        super().send_packed_command(command, check_health)


class PlainConnection(_SharesNews, Connection):
    """A connection of our own clients."""


class TlsConnection(_SharesNews, SSLConnection):
    """The same over TLS."""


class BrokerConnection(_HangsUp, Connection):
    """A connection of Celery's, whose event loop would miss that it was replaced while it waits for a message."""


class TlsBrokerConnection(_HangsUp, SSLConnection):
    """The same over TLS."""


class _StaysWithWrongTypes(_HangsUp):
    """Takes a value of another type for a refusal, in the reply of a transaction too."""

    codes = REFUSALS | {WRONG_TYPE}

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Returns the reply, or raises RefusedError on a connection that is closed by then."""
        reply = super().read_response(*args, **options)
        if type(reply) is list:
            for part in reply:
                if isinstance(part, ResponseError):
                    raise self._as_refusal(part)
        return reply


class ConsumerConnection(_StaysWithWrongTypes, Connection):
    """A connection of a worker's consumer, which ends at every error but a lost connection."""


class TlsConsumerConnection(_StaysWithWrongTypes, SSLConnection):
    """The same over TLS."""


def connection_class(url: str) -> type[Connection]:
    """Returns the class of the connections of one of our clients of this server."""
    return TlsConnection if url.startswith("rediss") else PlainConnection


def broker_connection_class(url: str) -> type[Connection]:
    """Returns the same for a library that survives lost connections and nothing else."""
    return TlsBrokerConnection if url.startswith("rediss") else BrokerConnection


def make_celery_hang_up() -> None:
    """Gives every connection that Celery opens in this process the same manners; kombu has no setting for its class."""
    kombu_redis.Channel.connection_class = BrokerConnection
    kombu_redis.Channel.connection_class_ssl = TlsBrokerConnection
