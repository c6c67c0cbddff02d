"""Puts all components and the fusion into one ONNX graph with a dynamic batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.autoencoder import Autoencoder
from ml.model.fusion import COMPONENTS, Fusion
from ml.model.gradient_boosting import GradientBoosting
from ml.model.graph import GraphBuilder
from ml.model.isolation_forest import IsolationForest
from ml.model.sequence import SequenceModel
from ml.model.unusualness import Unusualness


@dataclass(frozen=True)
class Components:
    """The four fitted components, and how the two unsupervised ones are mapped to log-odds."""

    tabular: GradientBoosting
    anomaly: IsolationForest
    anomaly_map: Unusualness
    autoencoder: Autoencoder
    autoencoder_map: Unusualness
    sequence: SequenceModel

    def log_odds(self, vectors: NDArray[np.floating[Any]], sequences: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns each component's log-odds [B, 4] from the native libraries, in the order of `COMPONENTS`."""
        return np.column_stack(
            [
                self.tabular.margins(vectors).astype(np.float64),
                self.anomaly_map.log_odds(self.anomaly.scores(vectors)),
                self.autoencoder_map.log_odds(self.autoencoder.log_errors(vectors)),
                self.sequence.logits(sequences),
            ]
        )


def export_components(components: Components, *, sequence_shape: tuple[int, int]) -> bytes:
    """Returns the graph with the single output `log_odds` [B, 4], on which the fusion is fitted."""
    graph = GraphBuilder()
    log_odds, _ = _add_components(graph, components, sequence_shape)
    graph.output("log_odds", graph.add("Concat", *log_odds, axis=1), columns=len(COMPONENTS))
    return graph.serialize({})


def export_model(
    components: Components, fusion: Fusion, *, sequence_shape: tuple[int, int], metadata: dict[str, str]
) -> bytes:
    """Returns the served graph.

    Inputs: `vectors` [B, F], `sequences` [B, S, K]. Outputs: `score`, `tabular`, `anomaly`, `autoencoder`,
    `sequence` [B] in [0, 1], `contributions` [B, F] in log-odds. The metadata gain `tabular_bias`.
    """
    graph = GraphBuilder()
    log_odds, contributions = _add_components(graph, components, sequence_shape)
    graph.output("score", fusion.add_to(graph, log_odds))
    for name, tensor in zip(COMPONENTS, log_odds, strict=True):
        graph.output(name, graph.add("Sigmoid", tensor))
    graph.output("contributions", contributions, columns=components.tabular.feature_count)
    return graph.serialize(metadata | {"tabular_bias": repr(components.tabular.bias())})


def _add_components(
    graph: GraphBuilder, components: Components, sequence_shape: tuple[int, int]
) -> tuple[tuple[str, ...], str]:
    vectors = graph.input("vectors", [components.tabular.feature_count])
    sequences = graph.input("sequences", sequence_shape)
    margin, contributions = components.tabular.add_to(graph, vectors)
    anomaly = components.anomaly_map.add_to(graph, components.anomaly.add_to(graph, vectors))
    autoencoder = components.autoencoder_map.add_to(graph, components.autoencoder.add_to(graph, vectors))
    return (margin, anomaly, autoencoder, components.sequence.add_to(graph, sequences)), contributions
