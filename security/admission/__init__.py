"""Replay protection and rate limits, decided in one Lua script; the in-memory adapter follows the same rules.

May touch `settings` and the floor of `security`.
"""
