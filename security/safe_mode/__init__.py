"""The switch that every process obeys: while it is on, no model scores.

Sealed in Redis, changed by one Lua script.
"""
