"""Lines of an env file that a shell, systemd, compose and this platform read alike."""

import re

from ops.errors import OpsError

_PLAIN = re.compile(r"[\w./@+:,=%-]+", re.ASCII)
_QUOTABLE = re.compile(r"(?!.*\$\{)[^'\\]+")


def env_line(name: str, value: str) -> str:
    """Returns the line that sets a variable, quoted where a shell would change or execute the value.

    Raises:
        OpsError: no form of it means the same to all of them.
    """
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    if _QUOTABLE.fullmatch(value) and value.isprintable():
        return f"{name}='{value}'"
    raise OpsError(
        f"{name} has a ', a \\, a ${{ or a line end in it, which a shell, systemd and dotenv read differently; "
        "choose a value without."
    )
