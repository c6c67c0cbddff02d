"""The platform under measurement: a stack of its own, further processes beside it, and waiting until it is idle.

May touch `ops.stack`, `ops.processes` and `ops.first_model`.
"""
