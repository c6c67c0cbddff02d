"""From the outbox to the sinks: drains, and the two comparisons that find what a sink lacks.

May touch `ml.stores`, `ml.explanation` and below.
"""
