"""Stores of any size: the histories of simulated customers and terminals, under as many names as wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ml.data.simulator import simulate
from ml.domain.durations import DAY_SECONDS
from ml.domain.transaction import Transaction
from ml.features.history import EntityKind
from ml.serving.backfill import entity_states
from ml.stores.features.features import EntityState, FeatureStore

_LOAD_ROWS = 2_000


@dataclass(frozen=True)
class Pool:
    """Histories of simulated entities, as the platform would hold them, and the moment at which they end."""

    customers: Sequence[bytes]
    terminals: Sequence[bytes]
    until_seconds: int

    @classmethod
    def simulated(cls) -> "Pool":
        """Returns the histories that ten weeks of simulated payments leave behind, most of them full, with tiles."""
        table = simulate(customers=400, terminals=400, days=70, seed=11)
        by_kind: dict[EntityKind, list[bytes]] = {"customer": [], "terminal": []}
        for state in entity_states(table):
            by_kind[state.kind].append(state.history)
        until = (int(table.epoch_seconds[-1]) // DAY_SECONDS + 1) * DAY_SECONDS
        return cls(by_kind["customer"], by_kind["terminal"], until)


@dataclass(frozen=True, slots=True)
class Population:
    """So many customers, and a tenth as many terminals, but at least a thousand of these."""

    customers: int

    @property
    def terminals(self) -> int:
        """How many terminals they pay at."""
        return max(1_000, self.customers // 10)

    def states(self, pool: Pool) -> Iterator[EntityState]:
        """Yields the state of every entity."""
        for number in range(self.customers):
            yield EntityState("customer", f"S{number:07d}", pool.customers[number % len(pool.customers)])
        for number in range(self.terminals):
            yield EntityState("terminal", f"P{number:07d}", pool.terminals[number % len(pool.terminals)])

    def fill(self, store: FeatureStore, pool: Pool) -> int:
        """Writes every entity's state and returns their number."""
        states, number = self.states(pool), 0
        while part := list(islice(states, _LOAD_ROWS)):
            number += store.load(part)
        return number

    def payments(self, transactions: Sequence[Transaction], pool: Pool, *, seed: int = 3) -> list[Transaction]:
        """Returns the transactions, in order, as payments of this population from where its histories end."""
        rng = np.random.default_rng(seed)
        customers = rng.integers(self.customers, size=len(transactions)).tolist()
        terminals = rng.integers(self.terminals, size=len(transactions)).tolist()
        shift = pool.until_seconds - transactions[0].timestamp
        return [
            transaction.model_copy(
                update={
                    "customer_id": f"S{customer:07d}",
                    "terminal_id": f"P{terminal:07d}",
                    "timestamp": transaction.timestamp + shift,
                }
            )
            for transaction, customer, terminal in zip(transactions, customers, terminals, strict=True)
        ]
