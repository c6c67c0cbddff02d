"""What the platform stored of its own past, as retraining and the drift check read it.

Reads the collections of explanations and labels.
"""
