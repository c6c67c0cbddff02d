"""The features of the unsupervised components: how a payment departs from the habits of its customer and terminal.

Features that would hide such departures are left out. Features from labels (risk, fraud history) are no habits, and do
not show a kind of fraud without labels. Levels (how often, how much, how long known) differ between customers and are
not unusual for any of them. The calendar is the same for all.
"""

from ml.features.schema import FEATURE_NAMES

HABIT_FEATURES = (
    "amount",
    "amount_log",
    "customer_count_1h",
    "customer_hours_since_last",
    "customer_rate_ratio_1d",
    "customer_ratio_mean_7d",
    "customer_ratio_mean_30d",
    "customer_zscore_7d",
    "customer_zscore_30d",
    "customer_ratio_median",
    "customer_ratio_ewma",
    "customer_ratio_max",
    "customer_amount_rank",
    "customer_hour_share",
    "customer_high_count_1d",
    "customer_high_count_3d",
    "customer_high_count_7d",
    "customer_high_count_14d",
    "customer_high_share_1d",
    "customer_high_share_3d",
    "customer_high_share_7d",
    "customer_high_share_14d",
    "customer_high_max_1d",
    "customer_high_max_3d",
    "customer_high_max_7d",
    "customer_high_max_14d",
    "terminal_ratio_mean",
    "is_new_terminal",
    "is_new_device",
    "is_new_country",
)
"""The amount itself is among them: an extreme amount is unusual for every customer."""

HABIT_COLUMNS = tuple(FEATURE_NAMES.index(name) for name in HABIT_FEATURES)
"""Their positions in a vector."""
