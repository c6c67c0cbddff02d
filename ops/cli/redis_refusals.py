"""What a Redis with users refuses, as sentences: a wrong password, a missing one, a command that is not granted."""

import re

from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError

_COMMAND = re.compile(r"run the '([a-z0-9_|-]+)' command")
_AS_ADMIN = (
    "`python -m ops keys --redis-users` makes the users, and operator commands run as the user admin, by "
    "REDIS_CREDENTIALS_FILE."
)


def refusal_sentence(error: BaseException) -> str | None:
    """Returns one sentence if Redis refused the user or what the user asked for, None otherwise."""
    for cause in _causes(error):
        text = str(cause)
        if isinstance(cause, NoPermissionError) or "NOPERM" in text or "no permissions to" in text:
            command = _COMMAND.search(text)
            asked = f"the command {command[1]}" if command else "what was asked for"
            return f"Redis does not let this user do {asked}; {_AS_ADMIN}"
        if isinstance(cause, AuthenticationError | AuthorizationError) or text.startswith(("WRONGPASS", "NOAUTH")):
            if "required" in text.lower() or "must be called with" in text:
                return f"Redis asks for a user name and password; {_AS_ADMIN}"
            return (
                "Redis refuses the user name or the password; check REDIS_CREDENTIALS_FILE, or those in the URL, "
                "against the server's access list."
            )
    return None


def _causes(error: BaseException) -> list[BaseException]:
    """Returns the error and what it came from."""
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__  # type: ignore[assignment]
    return causes
