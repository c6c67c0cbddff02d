"""The reconstruction component: a narrow autoencoder that has only ever seen legitimate transactions.

What it cannot rebuild is unusual. The raw score is the logarithm of the mean squared error over the standardised
features.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.graph import FLOAT, GraphBuilder
from ml.model.scaling import RobustScaling, fit_scaling

HIDDEN = 32
BOTTLENECK = 8
EPOCHS = 6
BATCH_ROWS = 512
TRAINING_ROWS = 60_000
"""Most rows that are trained on; more of them teach the network nothing new."""

LEARNING_RATE = 2e-3
WORST_FEATURES = 3
"""Features that an explanation names as least expected."""

_FLOOR = 1e-6  # keeps the logarithm finite for a perfect reconstruction


class Autoencoder:
    """A fitted autoencoder over vectors [B, F]."""

    def __init__(self, scaling: RobustScaling, network: Any) -> None:
        self._scaling = scaling
        self._network = network

    def log_errors(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns the logarithm of the reconstruction error [B], computed by torch."""
        errors = self.squared_errors(vectors).mean(axis=1)
        return np.asarray(np.log(errors + np.float32(_FLOOR)))

    def squared_errors(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns each feature's squared error [B, F] in standard units, computed by torch."""
        scaled = self._scaling.apply(vectors)
        return np.asarray((self._rebuilt(scaled) - scaled) ** 2)

    def expected(self, vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Returns the reconstructed values [B, F] in the features' own units, computed by torch."""
        return self._scaling.undo(self._rebuilt(self._scaling.apply(vectors)))

    def _rebuilt(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with torch.no_grad():
            return np.asarray(self._network(torch.from_numpy(scaled)).numpy())

    def add_to(self, graph: GraphBuilder, vectors: str) -> tuple[str, str]:
        """Appends the network; returns the names of the log errors [B, 1] and the worst-reconstructed features.

        The latter are [B, 3 · `WORST_FEATURES`], the worst first: the features' positions, their reconstructed
        values in their own units, their shares of the squared error.
        """
        scaled = self._scaling.add_to(graph, vectors)
        layers = [module for module in self._network if hasattr(module, "weight")]
        hidden = scaled
        for position, layer in enumerate(layers):
            hidden = graph.linear(hidden, layer)
            if position < len(layers) - 1:
                hidden = graph.add("Relu", hidden)
        difference = graph.add("Sub", hidden, scaled)
        squares = graph.add("Mul", difference, difference)
        error = graph.add("ReduceMean", squares, axes=[1], keepdims=1)
        log_error = graph.add("Log", graph.add("Add", error, graph.constant([_FLOOR])))
        return log_error, self._add_worst(graph, hidden, squares, error=error)

    def _add_worst(self, graph: GraphBuilder, rebuilt: str, squares: str, *, error: str) -> str:
        features = len(self._scaling.centre)
        worst, positions = graph.add_pair("TopK", squares, graph.integers([min(WORST_FEATURES, features)]), axis=1)
        expected = graph.add("GatherElements", self._scaling.add_undo_to(graph, rebuilt), positions, axis=1)
        # A perfect reconstruction has no worst feature; its shares are 0, not NaN.
        whole = graph.add("Max", graph.add("Mul", error, graph.constant([features])), graph.constant([_FLOOR]))
        shares = graph.add("Div", worst, whole)
        return graph.add("Concat", graph.add("Cast", positions, to=FLOAT), expected, shares, axis=1)


def fit_autoencoder(
    vectors: NDArray[np.float32],
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    after_epoch: Callable[[int], None] = lambda _epoch: None,
) -> Autoencoder:
    """Fits on the vectors of legitimate transactions [N, F]."""
    import torch
    from torch import nn

    # Matrices this small gain little from a second thread, and lose much when other processes want the core.
    torch.set_num_threads(1)
    generator = np.random.default_rng(seed)
    vectors = vectors[generator.permutation(len(vectors))[:TRAINING_ROWS]]
    scaling = fit_scaling(vectors)
    data = torch.from_numpy(scaling.apply(vectors))
    shuffling = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        width = vectors.shape[1]
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
    return Autoencoder(scaling, network.eval())
