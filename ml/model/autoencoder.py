"""The reconstruction component: a narrow autoencoder that has only ever seen legitimate transactions.

A transaction that it cannot rebuild is unusual. Each feature's squared error counts in units of its usual error, so
that unpredictable features do not outweigh those whose error means something. The raw score is the logarithm of the
mean over the features.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder
from ml.model.scaling import RobustScaling, fit_scaling

HIDDEN = 32
BOTTLENECK = 4
"""Units in the narrowest layer; with more of them the network rebuilds unusual transactions too."""

EPOCHS = 6
BATCH_ROWS = 512
TRAINING_ROWS = 60_000
"""Most rows that are trained on; more of them teach the network nothing new."""

LEARNING_RATE = 2e-3
WORST_FEATURES = 3
"""Features that an explanation names as least expected."""

_FLOOR = 1e-6  # keeps the logarithm finite for a perfect reconstruction
_LEAST_ERROR = 1e-3  # squared standard units; a feature that is rebuilt better than that is not weighted up further


class Autoencoder:
    """A fitted autoencoder over H of the F columns of vectors [B, F].

    Args:
        columns: which ones [H].
        scaling: of these columns.
        network: rebuilds the scaled columns.
        usual: each column's mean squared error on the training rows [H], in standard units.
    """

    def __init__(
        self, columns: NDArray[np.intp], scaling: RobustScaling, network: Any, usual: NDArray[np.float32]
    ) -> None:
        self._columns = columns
        self._scaling = scaling
        self._network = network
        self._usual = usual

    def log_errors(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns the logarithm of the reconstruction error [B], computed by torch."""
        errors = self.squared_errors(vectors).mean(axis=1)
        return np.asarray(np.log(errors + np.float32(_FLOOR)))

    def squared_errors(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns each column's squared error [B, H] in units of its usual one, computed by torch."""
        scaled = self._scaling.apply(vectors[:, self._columns])
        return np.asarray((_rebuilt(self._network, scaled) - scaled) ** 2 / self._usual)

    def expected(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns the reconstructed values [B, H] in the columns' own units, computed by torch."""
        return self._scaling.undo(_rebuilt(self._network, self._scaling.apply(vectors[:, self._columns])))

    def add_to(self, graph: GraphBuilder, vectors: str) -> tuple[str, str]:
        """Appends the network; returns the names of the log errors [B, 1] and the worst-reconstructed features.

        The latter are [B, 3 · `WORST_FEATURES`], the worst first: the features' positions in the vectors, their
        reconstructed values in their own units, their shares of the error.
        """
        chosen = graph.add("Gather", vectors, graph.integers(self._columns.tolist()), axis=1)
        scaled = self._scaling.add_to(graph, chosen)
        layers = [module for module in self._network if hasattr(module, "weight")]
        hidden = scaled
        for position, layer in enumerate(layers):
            hidden = graph.linear(hidden, layer)
            if position < len(layers) - 1:
                hidden = graph.add("Relu", hidden)
        difference = graph.add("Sub", hidden, scaled)
        squares = graph.add("Mul", graph.add("Mul", difference, difference), graph.constant(1.0 / self._usual))
        error = graph.add("ReduceMean", squares, axes=[1], keepdims=1)
        log_error = graph.add("Log", graph.add("Add", error, graph.constant([_FLOOR])))
        return log_error, self._add_worst(graph, hidden, squares, error=error)

    def _add_worst(self, graph: GraphBuilder, rebuilt: str, squares: str, *, error: str) -> str:
        width = len(self._columns)
        worst, places = graph.add_pair("TopK", squares, graph.integers([min(WORST_FEATURES, width)]), axis=1)
        expected = graph.add("GatherElements", self._scaling.add_undo_to(graph, rebuilt), places, axis=1)
        # A perfect reconstruction has no worst feature; its shares are 0, not NaN.
        whole = graph.add("Max", graph.add("Mul", error, graph.constant([width])), graph.constant([_FLOOR]))
        shares = graph.add("Div", worst, whole)
        positions = graph.add("Gather", graph.constant(self._columns), places, axis=0)
        return graph.add("Concat", positions, expected, shares, axis=1)


def fit_autoencoder(
    vectors: NDArray[np.float32],
    *,
    columns: Sequence[int] | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    after_epoch: Callable[[int], None] = lambda _epoch: None,
) -> Autoencoder:
    """Fits on the vectors of legitimate transactions [N, F].

    Args:
        vectors: of a sample of at most `TRAINING_ROWS`, chosen here.
        columns: those that it is fitted on; default: all.
        epochs: passes over the sample.
        seed: of sample, first weights and order.
        after_epoch: called with the number of finished epochs.
    """
    import torch
    from torch import nn

    # Matrices this small gain little from a second thread, and become much slower when other processes use that core.
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    chosen = np.arange(vectors.shape[1]) if columns is None else np.asarray(columns, np.intp)
    sample = vectors[generator.permutation(len(vectors))[:TRAINING_ROWS]][:, chosen]
    scaling = fit_scaling(sample)
    scaled = scaling.apply(sample)
    data = torch.from_numpy(scaled)
    shuffling = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        width = len(chosen)
        network = nn.Sequential(
            nn.Linear(width, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, BOTTLENECK),
            nn.ReLU(),
            nn.Linear(BOTTLENECK, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, width),
        )
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for epoch in range(epochs):
        order = torch.randperm(len(data), generator=shuffling)
        for rows in order.split(BATCH_ROWS):
            batch = data[rows]
            loss = ((network(batch) - batch) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        after_epoch(epoch + 1)
    network.eval()
    usual = ((_rebuilt(network, scaled) - scaled) ** 2).mean(axis=0) + _LEAST_ERROR
    return Autoencoder(chosen, scaling, network, usual.astype(np.float32))


def _rebuilt(network: Any, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    import torch

    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(scaled)).numpy())
