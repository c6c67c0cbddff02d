"""The cost of a transaction as customers, processes and time grow."""
