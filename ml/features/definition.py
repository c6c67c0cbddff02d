"""The numbers in the features' definition: windows, numbers of entries and tiles, floors and caps.

Each of them enters `ml.features.schema.schema_hash`: changing one makes trained models refuse the vectors.
"""

from ml.domain.durations import DAY_SECONDS, HOUR_SECONDS

CUSTOMER_NEWEST = 48
"""Payments of a customer that features see one by one; earlier ones count in tiles (`ml.features.history`)."""
TERMINAL_NEWEST = 64
"""Payments at a terminal that features see one by one."""
CUSTOMER_RETRY_SLACK = 15
"""Newer payments of the customer after which a retried transaction still sees what it saw at first."""
TERMINAL_RETRY_SLACK = 21
"""Newer payments at the terminal, likewise."""
HOUR_TILES = 28
"""Hours kept: a window of one day touches 25, the rest spares for payments that come late."""
DAY_TILES = 34
"""Days kept: a window of 30 days touches 31."""
SPARE_TILES = 3
"""Tiles that may lie after a late payment's own while those that its windows need are surely kept."""
LABEL_KEYS = 16
"""Transactions, the last labelled, whose labels are recognised when they are delivered once more."""

VELOCITY_WINDOWS = {"1h": HOUR_SECONDS, "1d": DAY_SECONDS, "7d": 7 * DAY_SECONDS, "30d": 30 * DAY_SECONDS}
HIGH_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (1, 3, 7, 14)}
CUSTOMER_FRAUD_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (7, 30)}
TERMINAL_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (1, 7, 30)}
RISK_WINDOWS = {f"{days}d": days * DAY_SECONDS for days in (1, 7, 14, 30)}
LAST_LABELLED = (1, 3, 5)
"""Fraud share of the last k labelled transactions at a terminal."""

MAX_AGE_DAYS = 60.0
"""Longest age or gap that features distinguish; also stands for "never"."""
HIGH_RATIO = 3.0
"""A payment counts as high from this multiple of the customer's median."""
ORDINARY_RATIO = 2.0
"""A fraud counts as ordinary up to this multiple of its customer's median: the amount does not explain it."""
RATIO_DECIMALS = 6
"""Digits of the ratio by which a fraud counts as ordinary: those that the stored vector keeps of it."""
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
