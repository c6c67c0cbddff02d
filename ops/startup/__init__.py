"""Checks of settings, keys and Redis before a command becomes another program.

May touch `security`, `ml.stores` and `settings`.
"""
