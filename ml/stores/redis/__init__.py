"""What every Redis adapter shares: commands, scripts, server and cluster, failures, durability.

Knows no store; the stores import it.
"""
