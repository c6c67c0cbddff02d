"""Random rows with a learnable label, and a way to run a graph."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from ml.model.graph import GraphBuilder

FEATURE_COUNT, STEPS, CHANNELS = 12, 5, 4


@dataclass(frozen=True)
class Rows:
    vectors: NDArray[np.float32]
    sequences: NDArray[np.float32]
    labels: NDArray[np.int8]


@pytest.fixture(scope="session")
def rows() -> Rows:
    random = np.random.default_rng(7)
    vectors = random.normal(size=(4000, FEATURE_COUNT)).astype(np.float32)
    vectors[:, 3] = np.exp(3 * vectors[:, 3])  # heavy tail
    vectors[:, 4] = vectors[:, 4] > 2  # rare flag
    vectors[:, 5] = 1.0  # constant
    sequences = random.normal(size=(4000, STEPS, CHANNELS)).astype(np.float32)
    log_odds = 2 * vectors[:, 0] - vectors[:, 1] * vectors[:, 2] + 3 * vectors[:, 4] + sequences[:, :, 0].sum(1) - 3
    labels = (random.random(4000) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)
    return Rows(vectors, sequences, labels)


Run = Callable[..., list[NDArray[np.float32]]]


@pytest.fixture
def run() -> Run:
    """Runs a graph: outputs by (name, tensor, columns), inputs by name."""

    def execute(
        graph: GraphBuilder, outputs: list[tuple[str, int | None]], **inputs: NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        for position, (tensor, columns) in enumerate(outputs):
            graph.output(f"out_{position}", tensor, columns=columns)
        session = onnxruntime.InferenceSession(graph.serialize({}), providers=["CPUExecutionProvider"])
        return session.run(None, inputs)

    return execute
