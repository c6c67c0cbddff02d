"""From a scoring request to its result: micro-batches, transports, shards.

May touch `web.scoring`, `web.protection` and `web.http`; knows nothing of admission.
"""
