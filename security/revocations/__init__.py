"""Tokens and subjects that are refused before their time.

A list in Redis, read beside the request path.
"""
