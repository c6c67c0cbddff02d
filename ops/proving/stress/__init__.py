"""Many synthetic transactions at once to a deployment: load, its tally, a stack of its own.

A tool of operators and of tests: it may use the command line and the stack; nothing that runs in production uses it.
"""
