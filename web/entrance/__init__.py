"""Admission: waiting requests are admitted together, one round trip to Redis at a time.

May touch `web.scoring`, `web.protection` and `web.http`; knows nothing of the dispatcher.
"""
