"""The transactions, labels and vectors that the platform stored, for retraining and the drift check.

Reads the collections of explanations and labels.
"""
