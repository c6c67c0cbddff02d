"""Who did what to the platform, when and why; written once, never changed.

May touch the errors of `security`.
"""
