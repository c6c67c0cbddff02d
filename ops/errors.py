"""Exceptions of the command line: each message is one sentence for the person at the terminal."""


class OpsError(Exception):
    """A command could not do what it was asked."""


class ServerStartError(OpsError):
    """A server or process of the stack did not become healthy."""


class StackError(OpsError):
    """The stack is not in a state in which the command can work."""
