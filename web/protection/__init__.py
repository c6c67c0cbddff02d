"""How a process keeps load and failing dependencies from spreading: breakers, load shedding, pace.

May touch `web.http` and below.
"""
