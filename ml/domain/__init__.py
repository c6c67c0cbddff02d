"""The words of the domain: transaction, label, decision, errors, the scoring batch, durations.

Imports nothing of ours; everything else may import it.
"""
