"""Decisions and transactions as events for other systems.

Kafka in production, memory in tests.
"""
