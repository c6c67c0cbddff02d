"""The parts that all Redis adapters share: commands, scripts, server and cluster, failures, durability.

Knows no store; the stores import it.
"""
