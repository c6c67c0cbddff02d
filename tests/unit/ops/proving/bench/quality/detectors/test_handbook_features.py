"""The features against their definition, spelt out payment by payment."""

from dataclasses import replace

import numpy as np

from ml.data.simulator import simulate
from ml.data.table import FRAUD, TransactionTable
from ml.domain.durations import DAY_SECONDS
from ops.proving.bench.quality.detectors.handbook_features import handbook_features


def spelt_out(table: TransactionTable, row: int) -> list[float]:
    """Returns the 15 features of one row."""
    times, amounts = table.epoch_seconds, table.amount_units / 1e4
    now, before = int(times[row]), np.arange(len(table)) <= row
    weekday, hour = (now // DAY_SECONDS + 3) % 7, now % DAY_SECONDS // 3600
    values = [float(amounts[row]), float(weekday >= 5), float(hour <= 6)]
    mine = before & (table.customer_id.codes == table.customer_id.codes[row])
    here = before & (table.terminal_id.codes == table.terminal_id.codes[row])
    for days in (1, 7, 30):
        recent = mine & (times > now - days * DAY_SECONDS)
        values += [float(recent.sum()), float(amounts[recent].mean())]
    for days in (1, 7, 30):
        labelled = here & (times <= now - 7 * DAY_SECONDS) & (times > now - (7 + days) * DAY_SECONDS)
        frauds = (table.is_fraud[labelled] == FRAUD).sum()
        values += [float(labelled.sum()), float(frauds / labelled.sum()) if labelled.any() else 0.0]
    return values


def test_the_fifteen_features_are_what_the_handbook_says() -> None:
    random = np.random.default_rng(0)
    table = simulate(customers=20, terminals=15, days=50, seed=3)
    table = replace(table, is_fraud=(random.random(len(table)) < 0.1).astype(np.int8))
    features = handbook_features(table)
    assert features.shape == (len(table), 15)
    rows = random.choice(len(table), 200, replace=False)
    assert (features[rows, -1] > 0).any()
    np.testing.assert_allclose(features[rows], [spelt_out(table, int(row)) for row in rows], rtol=1e-9, atol=1e-9)
