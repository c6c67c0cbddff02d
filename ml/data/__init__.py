"""Tables of transactions: read from files, checked, or simulated.

May touch `ml.domain` only.
"""
