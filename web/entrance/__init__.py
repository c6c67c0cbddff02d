"""Admission: waiting requests are let in together, one round trip to Redis at a time.

May touch `web.http` and `web.protection`; knows nothing of the dispatcher.
"""
