"""The body of a request as it is given on the command line."""

import click

from ops.errors import OpsError


def read_body(data: str | None) -> bytes:
    """Returns the bytes that `--data` stands for: the text itself, or with @ the content of a file.

    Raises:
        OpsError: the file cannot be read.
    """
    if data is None:
        return b""
    if not data.startswith("@"):
        return data.encode()
    try:
        with click.open_file(data[1:], "rb") as file:
            content: bytes = file.read()
    except OSError as error:
        raise OpsError(f"{data[1:]} cannot be read: {error.strerror}.") from error
    return content
