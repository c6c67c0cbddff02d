"""Decision records: every transaction is decided once, and the waiting process gets the reply.

One Lua script writes record, outbox entry, reply and doorbells.
"""
