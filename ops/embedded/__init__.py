"""Servers that run from Python wheels, without Docker or root, behind the clients' real sockets.

May touch `ops.processes`.
"""
