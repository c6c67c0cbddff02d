"""The command line, the local stack, the demo and everything an operator runs."""
