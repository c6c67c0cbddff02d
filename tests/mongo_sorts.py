"""Watches the sorts that a MongoDB client asks for, and whether an index of the collection provides their order.

A sort without an index is done in memory, and beyond 100 MB the server refuses it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

Order = list[tuple[str, int]]


@dataclass(frozen=True)
class Sort:
    """An order that was asked for, and the fields that the documents have in common by the filter."""

    order: Order
    equal: frozenset[str]


class SortWatch(CommandListener):
    """Collects the sorts of queries and pipelines."""

    def __init__(self) -> None:
        self.sorts: list[Sort] = []

    def started(self, event: CommandStartedEvent) -> None:
        command = event.command
        if event.command_name == "find" and command.get("sort"):
            self._note(command["sort"], command["filter"])
        if event.command_name == "aggregate":
            stages: Mapping[str, Any] = {name: value for stage in command["pipeline"] for name, value in stage.items()}
            if "$sort" in stages:
                # The equality of a pipeline's filter is not counted: an index for each of its values is not wanted.
                self._note(stages["$sort"], {})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def _note(self, order: Mapping[str, int], criteria: Mapping[str, Any]) -> None:
        self.sorts.append(Sort([(name, int(way)) for name, way in order.items()], frozenset(_equal(criteria))))


@contextmanager
def watched(mongo_url: str, database: Database) -> Iterator[tuple[Database, SortWatch]]:
    """Yields the database over a client of its own, and what that client sorts."""
    watch = SortWatch()
    with MongoClient(mongo_url, w="majority", journal=True, tz_aware=True, event_listeners=[watch]) as client:
        yield client[database.name], watch


def is_indexed(collection: Collection, sort: Sort) -> bool:
    """Whether an index gives out the documents in this order, forwards or backwards."""
    indexes: Sequence[Order] = [
        [(name, int(way)) for name, way in index["key"]] for index in collection.index_information().values()
    ]
    backwards = [(name, -way) for name, way in sort.order]
    return any(
        frozenset(name for name, _ in index[:prefix]) <= sort.equal
        and index[prefix : prefix + len(sort.order)] in (sort.order, backwards)
        for index in indexes
        for prefix in range(len(index))
    )


def _equal(criteria: Mapping[str, Any]) -> Iterator[str]:
    for name, value in criteria.items():
        if name == "$and":
            for part in value:
                yield from _equal(part)
        elif not name.startswith("$") and not isinstance(value, Mapping):
            yield name
