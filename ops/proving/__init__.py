"""Proof that the platform works: benchmarks, faults on purpose, the demo, synthetic traffic.

Nothing here runs in production.
"""
