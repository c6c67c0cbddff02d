"""Decision records: every transaction is decided once, and the reply that tells who waits.

One Lua script writes record, outbox entry, reply and doorbells.
"""
