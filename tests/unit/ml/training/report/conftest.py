import numpy as np
import pytest

from ml.training.trained_model import TrainedModel


@pytest.fixture
def labels(trained: TrainedModel) -> np.ndarray:
    return trained.evidence.measured.labels


@pytest.fixture
def scores(trained: TrainedModel) -> np.ndarray:
    return trained.evidence.measured.outputs["score"]
