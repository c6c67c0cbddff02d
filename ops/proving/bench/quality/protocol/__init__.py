"""The Handbook's protocol: data file, folds, the test payments that count, and the published figures.

Trains nothing; may touch `ml.data`, `ml.features` and `ml.training`.
"""
