"""Puts all components and the fusion into one ONNX graph with a dynamic batch."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.model.autoencoder import WORST_FEATURES, Autoencoder
from ml.model.fusion import COMPONENTS, Fusion
from ml.model.gradient_boosting import GradientBoosting
from ml.model.graph import GraphBuilder
from ml.model.isolation_forest import IsolationForest
from ml.model.rarity import Rarity
from ml.model.sequence import SequenceModel
from ml.model.terms import TERMS
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
    tensors = _add_components(graph, components, sequence_shape)
    graph.output("log_odds", graph.add("Concat", *tensors.log_odds, axis=1), columns=len(COMPONENTS))
    return graph.serialize({})


def export_model(
    components: Components, fusion: Fusion, *, sequence_shape: tuple[int, int], metadata: dict[str, str]
) -> bytes:
    """Returns the served graph.

    Inputs: `vectors` [B, F], `sequences` [B, S, K]. Outputs:

    - `score`, `tabular`, `anomaly`, `autoencoder`, `sequence` [B] in [0, 1];
    - `contributions` [B, F] of the features and `terms` [B, 4] of the other components, in log-odds of the score:
      with the metadata's `bias` they add up to logit(score);
    - `sequence_steps` [B, S]: the sequence component's log-odds after every step;
    - `reconstruction` [B, 3 · `WORST_FEATURES`]: features the autoencoder expected least, see `Autoencoder.add_to`.

    The metadata gain `bias` and `rarity` (`ml.model.rarity.Rarity`).
    """
    graph = GraphBuilder()
    tensors = _add_components(graph, components, sequence_shape)
    score, terms = fusion.add_to(graph, tensors.log_odds)
    graph.output("score", score)
    for name, tensor in zip(COMPONENTS, tensors.log_odds, strict=True):
        graph.output(name, graph.add("Sigmoid", tensor))
    features = components.tabular.feature_count
    weighted = graph.add("Mul", tensors.contributions, graph.constant([fusion.tabular_weight]))
    graph.output("contributions", weighted, columns=features)
    graph.output("terms", terms, columns=len(TERMS))
    graph.output("sequence_steps", tensors.sequence_steps, columns=sequence_shape[0])
    graph.output("reconstruction", tensors.reconstruction, columns=3 * min(WORST_FEATURES, features))
    return graph.serialize(
        metadata
        | {
            "bias": repr(fusion.bias(components.tabular.bias())),
            "rarity": _rarity(components).to_json(),
        }
    )


@dataclass(frozen=True, slots=True)
class _Tensors:
    """Names of the components' outputs in the graph; `log_odds` are [B, 1] each, in the order of `COMPONENTS`."""

    log_odds: tuple[str, ...]
    contributions: str
    sequence_steps: str
    reconstruction: str


def _add_components(graph: GraphBuilder, components: Components, sequence_shape: tuple[int, int]) -> _Tensors:
    vectors = graph.input("vectors", [components.tabular.feature_count])
    sequences = graph.input("sequences", sequence_shape)
    margin, contributions = components.tabular.add_to(graph, vectors)
    anomaly = components.anomaly_map.add_to(graph, components.anomaly.add_to(graph, vectors))
    log_errors, reconstruction = components.autoencoder.add_to(graph, vectors)
    autoencoder = components.autoencoder_map.add_to(graph, log_errors)
    sequence, sequence_steps = components.sequence.add_to(graph, sequences)
    return _Tensors((margin, anomaly, autoencoder, sequence), contributions, sequence_steps, reconstruction)


def _rarity(components: Components) -> Rarity:
    """Returns the borders of both unsupervised components as the probabilities that the graph gives out."""
    maps = (components.anomaly_map, components.autoencoder_map)
    return Rarity(*(tuple(1.0 / (1.0 + math.exp(-border)) for border in mapped.borders) for mapped in maps))
