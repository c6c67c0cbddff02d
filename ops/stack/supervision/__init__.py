"""Starting the processes of a plan, restarting them, stopping them in order, and showing their logs.

May touch `ops.stack.plan`, `ops.stack.state` and `ops.processes`.
"""
