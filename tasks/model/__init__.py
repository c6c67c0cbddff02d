"""The model of a process: loaded, verified, kept current, self-tested.

Shared by score workers and by web processes that score by themselves.
"""
