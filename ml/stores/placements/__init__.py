"""The shard that each transaction is decided on.

Remembered for as long as its decision; new ones are chosen by rendezvous hashing.
"""
