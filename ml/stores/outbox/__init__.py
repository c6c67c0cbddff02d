"""The outbox: a stream with a consumer group per sink, each sink's unacknowledged entries, the answered index.

Entries are acknowledged only once the sink has them.
"""
