"""The test week through the running platform: a stack of its own, a sender, and the slices it sends.

May touch `ops.stack`, `ops.embedded` and the API by HTTP.
"""
