"""Keeps load and failing dependencies from spreading: circuit breakers, load shedding, pace.

May touch `web.http`.
"""
