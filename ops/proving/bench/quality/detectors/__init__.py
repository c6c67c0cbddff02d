"""What is measured: the hybrid, its parts, the hybrid before hidden fraud, and the published baselines.

May touch `ml` and the protocol beside it.
"""
