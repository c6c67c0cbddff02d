"""Bearer tokens: verification, claims, keys and key sets.

May touch the keys, revocations and errors of `security`.
"""
