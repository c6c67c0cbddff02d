"""The stored record of every decision, found by id or searched with a cursor.

MongoDB in production, memory in tests.
"""
