"""The platform under test: the embedded stack behind proxies, and disks that can be filled.

May touch `ops.stack`, `ops.embedded`, `ops.processes`, `ops.client`, `security`, `tasks.wiring` and `settings`.
"""
