"""A first model on simulated history: the data, the training, and which model belongs to which data.

`prepare` and the demo make it. May touch `ops.stack`, `ops.cli`, `ml` and `settings`.
"""
