"""The load: so many connections, each with its next request as soon as the last one is answered (a closed loop).

A server that stalls thereby slows the load down, so latencies are those of clients that wait for one another; for an
arrival rate of your own choice see `python -m ops bench latency`.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ops.client import Answer
from ops.proving.deployment import refuse_foreign_keys
from ops.proving.stress.connection import BrokenAnswerError, Connection, Place, StaleConnectionError
from ops.proving.stress.requests import StressRequests
from ops.proving.stress.tally import StressTally
from ops.proving.synthetic import SyntheticTransactions
from ops.stack.api_access import ApiAccess

_LINE_SECONDS = 0.5


@dataclass
class Load:
    """One run.

    Attributes:
        access: the API.
        requests: makes them.
        total, concurrency: how many, and how many at once.
        timeout_seconds: longest wait for one answer.
        tally: filled while the run lasts, and right when it is interrupted.
        on_tally: called now and then with the seconds since the start.
    """

    access: ApiAccess
    requests: StressRequests
    total: int
    concurrency: int
    timeout_seconds: float
    tally: StressTally
    on_tally: Callable[[float], None] = lambda _seconds: None
    _started: float = 0.0
    _left: int = field(default=0, init=False)

    def run(self) -> None:
        """Sends everything.

        The first request goes alone: where its credentials are refused, all would be.

        Raises:
            ops.errors.OpsError: the deployment refuses this machine's credentials.
        """
        self._left = self.total
        self._started = time.monotonic()
        try:
            asyncio.run(self._run())
        finally:
            self.tally.seconds = time.monotonic() - self._started

    async def _run(self) -> None:
        transactions = SyntheticTransactions(self.total)
        connections = [Connection(self._place()) for _ in range(min(self.concurrency, self.total))]
        shows = asyncio.create_task(self._show())
        try:
            self._left -= 1
            await self._send(connections[0], transactions, may_stop=True)
            await asyncio.gather(*(self._send_some(connection, transactions) for connection in connections))
        finally:
            shows.cancel()
            for connection in connections:
                connection.close()

    async def _show(self) -> None:
        while True:
            self.on_tally(time.monotonic() - self._started)
            await asyncio.sleep(_LINE_SECONDS)

    async def _send_some(self, connection: Connection, transactions: SyntheticTransactions) -> None:
        while self._left > 0:
            self._left -= 1
            await self._send(connection, transactions)

    async def _send(
        self, connection: Connection, transactions: SyntheticTransactions, *, may_stop: bool = False
    ) -> None:
        transaction = transactions.next()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                status, body = await self._exchange(connection, transaction)
        except TimeoutError:
            connection.close()  # its answer may still come, and must not be taken for the next one's
            self.tally.errors[f"no answer within {self.timeout_seconds:g} s"] += 1
            return
        except (OSError, BrokenAnswerError) as error:
            connection.close()
            self.tally.errors[_reason(error)] += 1
            return
        if may_stop:
            refuse_foreign_keys(self.access, Answer(status, {}, body))
        if _is_decision(Answer(status, {}, body), str(transaction["transaction_id"])):
            self.tally.latencies.append(time.monotonic() - started)
        else:
            self.tally.errors[str(status) if status != 200 else "200 without this transaction's decision"] += 1

    async def _exchange(self, connection: Connection, transaction: dict[str, object]) -> tuple[int, bytes]:
        try:
            return await connection.send(self.requests.make(transaction))
        except StaleConnectionError:
            return await connection.send(self.requests.make(transaction, age_seconds=1))

    def _place(self) -> Place:
        parts = urlsplit(self.access.url)
        is_tls = parts.scheme == "https"
        tls = (self.access.tls or ssl.create_default_context()) if is_tls else None
        return Place(parts.hostname or "", parts.port or (443 if is_tls else 80), tls)


def _is_decision(answer: Answer, transaction_id: str) -> bool:
    if not answer.is_ok:
        return False
    try:
        content = answer.json()
        return bool(content["decision"]) and content["transaction_id"] == transaction_id
    except (ValueError, KeyError, TypeError):
        return False


def _reason(error: Exception) -> str:
    """Returns why no answer came, in few different words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError):
        return "connection closed without an answer"
    return f"no HTTP answer: {error}" if isinstance(error, BrokenAnswerError) else f"{error.strerror or error}"  # type: ignore[attr-defined]
