"""How a score becomes a decision: thresholds, and the rules that decide while SAFE MODE is on.

May touch `ml.stores` Protocols, `ml.explanation` and below.
"""
