"""A model whose answer the test knows beforehand."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.domain.decision import Thresholds
from ml.explanation.scores import ModelScores
from ml.features.schema import FEATURE_COUNT, SEQUENCE_LENGTH
from ml.model.rarity import RARITY_LEVELS, Rarity
from ml.model.terms import TERMS


@dataclass
class FixedModel:
    """Gives every transaction the score it was built with."""

    score: float = 0.5
    version: str = "v-test"
    manifest_hash: str = "hash"
    thresholds: Thresholds = field(default_factory=lambda: Thresholds(review=0.3, decline=0.8))
    seen: list[NDArray[np.float64]] = field(default_factory=list)

    def predict(self, vectors: NDArray[np.float64], sequences: NDArray[np.float32]) -> ModelScores:
        assert len(sequences) == len(vectors)
        self.seen.append(vectors)
        rows = np.full(len(vectors), self.score, np.float32)
        contributions = np.zeros((len(vectors), FEATURE_COUNT), np.float32)
        contributions[:, 0] = 1.0
        size, levels = len(vectors), tuple(np.linspace(0, 1, len(RARITY_LEVELS)))
        return ModelScores(
            *(rows, rows, rows, rows, rows),
            contributions=contributions,
            terms=np.full((size, len(TERMS)), -0.5, np.float32),
            sequence_steps=np.zeros((size, SEQUENCE_LENGTH), np.float32),
            reconstruction=np.zeros((size, 9), np.float32),
            bias=-1.0,
            rarity=Rarity(levels, levels),
        )
