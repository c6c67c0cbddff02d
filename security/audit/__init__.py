"""Who did what to the platform, when and why; written once, never changed.

MongoDB in production, memory in tests.
"""
