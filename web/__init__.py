"""The HTTP interface: Flask, a blueprint per resource, and the bridge to the scoring queue.

May touch `tasks`, `ml`, `security`, `observability` and `settings`; each room imports only rooms below it.
"""
