"""Clients of the platform under test: steady, mixed and overload traffic, and the ledger of what they were answered.

They know the API by HTTP alone.
"""
