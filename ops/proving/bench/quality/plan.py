"""The plan of a quality benchmark."""

from dataclasses import dataclass

from ml.training.train import TrainingSettings
from ops.proving.bench.quality.protocol.fold import TRAIN_DAYS, Fold


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        folds: on which test weeks.
        days: length of our training window.
        settings: how the hybrid is trained.
        baselines: whether the Handbook's two baselines are.
        ablation, novelty: on which of the folds.
        served: whether the test weeks are replayed through the running platform as well.
    """

    folds: tuple[Fold, ...]
    days: float
    settings: TrainingSettings
    baselines: bool
    ablation: tuple[Fold, ...]
    novelty: tuple[Fold, ...]
    served: bool

    @property
    def windows(self) -> tuple[float, ...]:
        """Lengths of the training windows, ours first."""
        return tuple(dict.fromkeys((self.days, float(TRAIN_DAYS))))
