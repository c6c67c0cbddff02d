"""The online feature store: one bounded history per customer and terminal.

The Lua scripts change a history as `ml.features.history` does.
"""
