"""Tokens and subjects that are refused before their tokens expire: a list in Redis, refreshed in the background.

May touch the floor of `security`.
"""
