"""Labels: accepted into a stream at once, stored from there.

The inbox is in Redis, the record in MongoDB.
"""
