"""Which thresholds a model gets, and the rules of SAFE MODE.

A score becomes a decision in `ml/domain/decision.py`.

May touch `ml.stores` Protocols, `ml.explanation` and below.
"""
