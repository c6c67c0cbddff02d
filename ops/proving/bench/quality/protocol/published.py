"""Published figures on the Handbook's data. They belong to the Handbook's own test weeks and to no others."""

from dataclasses import dataclass

SOURCE = (
    "Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card Fraud Detection - "
    "Practical Handbook, 2022"
)
FIRST_WEEK = "first test week"
FOUR_FOLDS = "four folds, tuned"

LOGISTIC_REGRESSION = "logistic regression"
RANDOM_FOREST = "random forest"


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the Handbook; `weeks` is FIRST_WEEK (defaults) or FOUR_FOLDS (mean, hyper-parameters tuned)."""

    model: str
    weeks: str
    auc: float
    average_precision: float
    card_precision_at_100: float


PUBLISHED = (
    Published(LOGISTIC_REGRESSION, FIRST_WEEK, 0.871, 0.606, 0.291),
    Published(RANDOM_FOREST, FIRST_WEEK, 0.867, 0.658, 0.287),
    Published("XGBoost", FIRST_WEEK, 0.862, 0.639, 0.273),
    Published("neural network", FIRST_WEEK, 0.864, 0.653, 0.286),
    Published(RANDOM_FOREST, FOUR_FOLDS, 0.870, 0.678, 0.299),
    Published("XGBoost", FOUR_FOLDS, 0.869, 0.687, 0.303),
    Published("neural network", FOUR_FOLDS, 0.876, 0.675, 0.303),
    Published("LSTM", FOUR_FOLDS, 0.876, 0.665, 0.297),
    Published("balanced bagging", FOUR_FOLDS, 0.879, 0.680, 0.305),
    Published("isolation forest", FOUR_FOLDS, 0.841, 0.287, 0.236),
)


def first_week(model: str) -> Published:
    """Returns the published figures of a model on the first test week."""
    return next(row for row in PUBLISHED if (row.model, row.weeks) == (model, FIRST_WEEK))
