"""The numbers in the features' definition: windows, ring capacities, floors and caps.

Each of them enters `ml.features.schema.schema_hash`: changing one makes trained models refuse the vectors.
"""

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400

CUSTOMER_RING_CAPACITY = 110
"""Past transactions kept per customer; 110 entries of 32 bytes fill a Redis string of 3.5 KB."""
TERMINAL_RING_CAPACITY = 146
"""Past transactions kept per terminal; 146 entries of 24 bytes fill a Redis string of 3.5 KB."""

VELOCITY_WINDOWS = {"1h": HOUR_SECONDS, "1d": DAY_SECONDS, "7d": 7 * DAY_SECONDS, "30d": 30 * DAY_SECONDS}
HIGH_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (1, 3, 7, 14)}
CUSTOMER_FRAUD_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (7, 30)}
TERMINAL_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (1, 7, 30)}
RISK_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (1, 7, 14, 30)}
LAST_LABELLED = (1, 3, 5)
"""Fraud share of the last k labelled transactions at a terminal."""

MAX_AGE_DAYS = 60.0
"""Longest age or gap that is told apart; also stands for "never"."""
HIGH_RATIO = 3.0
"""A payment counts as high from this multiple of the customer's median."""
ORDINARY_RATIO = 2.0
"""A fraud counts as ordinary up to this multiple of its customer's median: the amount does not explain it."""
RATIO_DECIMALS = 6
"""Digits of the ratio by which a fraud is judged ordinary: those that the stored vector keeps of it."""
MEDIAN_LENGTH = 32
"""Payments behind the robust median."""
EWMA_DECAY = 0.9
"""Weight of a payment relative to the next younger one in the exponentially weighted mean."""
MAX_RATIO = 10_000.0
MAX_ZSCORE = 50.0
DEVIATION_FLOOR = 0.1
"""Smallest deviation in a z-score, as a share of the mean; keeps constant habits from dividing by zero."""
NIGHT_END_HOUR = 6
HABIT_HOURS = 3.0
"""Half-width of the clock window in which a customer's earlier payments count as "at this hour"."""
