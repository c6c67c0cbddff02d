"""The outbox: a stream with a consumer group per sink, what each sink still owes, what was answered when.

Entries are acknowledged only once the sink has them.
"""
