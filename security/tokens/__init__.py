"""Bearer tokens: verification, claims, keys and key sets, issuing.

May touch `revocations` and the floor of `security`.
"""
