"""Which processes a stack consists of: servers, roles, ports, and the environment of each process.

Starts nothing; may touch `ops.embedded`, `ops.processes` and `settings`.
"""
