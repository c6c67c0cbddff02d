"""Features: one definition, computed online from bounded histories and offline from a table.

May touch `ml.data` and `ml.domain`; `families/` declares the features, `kernel` computes them.
"""
