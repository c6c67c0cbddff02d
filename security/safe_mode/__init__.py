"""The shared switch SAFE MODE, sealed in Redis: while it is on, no model scores.

May touch `messages` and the floor of `security`.
"""
