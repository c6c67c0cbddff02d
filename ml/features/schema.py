"""The declared features: name, family, reason code, and the sentence that explains a value to an analyst.

The order is fixed and `ml.features.kernel` computes it; `schema_hash` names it, and a model only serves vectors of
the schema it was trained on. Conventions:

- Amounts are currency units. One customer's amounts are compared as posted, whatever their currency.
- A window of h holds the past rows with age < h; "past" excludes the transaction itself.
- A label counts from the moment it became known (`known_at`), and risk windows run over that moment: how late labels
  come is not assumed anywhere.
- No value is NaN. Ages and gaps without an event behind them are `MAX_AGE_DAYS`; ratios without a norm are 1,
  z-scores 0, shares 0.
"""

import hashlib
import json

from ml.features import definition
from ml.features.families.amount_time import amount_time
from ml.features.families.customer_norm import customer_episodes, customer_norm
from ml.features.families.customer_velocity import customer_velocity
from ml.features.families.feature import Feature
from ml.features.families.novelty import novelty
from ml.features.families.terminal_risk import terminal_risk
from ml.features.families.terminal_velocity import terminal_velocity

DEFINITION_VERSION = 3
"""Raise it with every change of what a feature means; a test pins the numbers that belong to it."""

SEQUENCE_LENGTH = 16
"""Steps of the sequence: the customer's last payments in time order, the current one last."""
SEQUENCE_CHANNELS = (
    "present",
    "log_amount",
    "log_gap_hours",
    "hour_sin",
    "hour_cos",
    "log_ratio_median",
    "is_new_terminal",
    "is_same_terminal",
    "is_labelled",
    "is_fraud",
    "terminal_fraud_share_30d",
    "terminal_fraud_share_last_5",
)
"""Channels of a step, all 0 where `present` is 0; the last two are known for the current step only."""

FEATURES: tuple[Feature, ...] = (
    *amount_time(),
    *customer_velocity(),
    *customer_norm(),
    *customer_episodes(),
    *terminal_velocity(),
    *terminal_risk(),
    *novelty(),
)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
FEATURE_COUNT = len(FEATURES)


def schema_hash() -> str:
    """Returns the SHA-256 (hex) of everything that changes what a vector or sequence means."""
    numbers = {name: value for name, value in vars(definition).items() if name.isupper()}
    meaning = {
        "version": DEFINITION_VERSION,
        "features": [[feature.name, feature.family] for feature in FEATURES],
        "sequence": [SEQUENCE_LENGTH, *SEQUENCE_CHANNELS],
        "numbers": numbers,
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
