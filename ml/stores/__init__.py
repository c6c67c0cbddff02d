"""Stores: one folder each, with its Protocol, its in-memory adapter, its real adapters, their Lua scripts and keys.

May touch `ml.features` and `ml.domain`; only modules named `*_redis`, `*_mongo`, `*_kafka` touch those clients.
"""
