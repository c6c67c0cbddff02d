"""From a scoring request to its result: micro-batches, transports, shards.

May touch `web.http` and `web.protection`; knows nothing of the entrance.
"""
