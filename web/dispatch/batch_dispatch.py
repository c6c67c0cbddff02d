"""Dispatches the transactions of a batch request in chunks, so that one large request does not hold up the others."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from ml.domain.scoring_batch import ScoringRequest
from web.http.errors import BreakerOpenError, OverloadedError, ShuttingDownError, WebError
from web.scoring.queue import ScoringQueue
from web.scoring.results import ScoringResult

CHUNKS_AHEAD = 2
"""Chunks submitted and not yet answered: one is scored while the next is prepared; more would only queue."""

ReadItem = Callable[[int, Any], ScoringRequest | ScoringResult]


def dispatch_items(
    items: Sequence[Any], read_item: ReadItem, dispatcher: ScoringQueue, *, chunk_rows: int, timeout_seconds: float
) -> Iterator[list[ScoringResult]]:
    """Yields the results of one chunk after the other, in order.

    Args:
        items: the members of the request.
        read_item: returns the scoring request of the member at a position, or the result that takes its place. Called
            chunk by chunk, so that checking a thousand members never holds up other requests for long.
        dispatcher: takes their scoring requests.
        chunk_rows: members per chunk.
        timeout_seconds: the longest wait for each chunk.
    """
    chunks = iter(_chunks(items, chunk_rows))
    under_way: deque[_Chunk] = deque()
    while True:
        for start, chunk in islice(chunks, CHUNKS_AHEAD - len(under_way)):
            read = [read_item(start + offset, item) for offset, item in enumerate(chunk)]
            under_way.append(_Chunk(read, dispatcher, timeout_seconds))
        if not under_way:
            return
        yield under_way.popleft().results()


class _Chunk:
    """Some members of the request: those that have no result yet are submitted at once."""

    def __init__(
        self, read: Sequence[ScoringRequest | ScoringResult], dispatcher: ScoringQueue, timeout_seconds: float
    ) -> None:
        self._read = read
        self._dispatcher = dispatcher
        self._call: Any = None
        self._refusal: WebError | None = None
        good = [member for member in read if isinstance(member, ScoringRequest)]
        try:
            if good:
                self._call = dispatcher.submit(good, timeout_seconds)
        except (BreakerOpenError, OverloadedError, ShuttingDownError) as error:
            self._refusal = error

    def results(self) -> list[ScoringResult]:
        """Waits, and returns one result per member."""
        scored = iter(self._dispatcher.collect(self._call) if self._call is not None else ())
        return [
            self._refusal or next(scored) if isinstance(member, ScoringRequest) else member for member in self._read
        ]


def _chunks(items: Sequence[Any], rows: int) -> Iterator[tuple[int, Sequence[Any]]]:
    for start in range(0, len(items), rows):
        yield start, items[start : start + rows]
