"""The mask of one process: hides everything with a known form, and the secrets in this process's settings.

A configured secret has no known form: the mask searches for its text, percent-encoded text, base64, and all of these
without the development mark. It ignores secrets of fewer than 6 characters, because they occur inside of words.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretBytes, SecretStr

from security.masking.stars import MASKED
from security.masking.text import mask
from settings import DEVELOPMENT_MARK, Settings

MIN_SECRET_CHARACTERS = 6

# Of a URL only the password is a secret.
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*:[^/?#]*@", re.IGNORECASE)


def masker(settings: Settings) -> Callable[[str], str]:
    """Returns the mask for a process with these settings."""
    return mask_of(secret_values(settings))


def mask_of(secrets: Iterable[str]) -> Callable[[str], str]:
    """Returns a mask that hides these secrets beside everything that `mask` does.

    >>> mask_of(["correct horse"])("the key is correct%20horse")
    'the key is [masked]'
    """
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= MIN_SECRET_CHARACTERS}
    if not forms:
        return mask
    # The longest first: of two secrets one may begin with the other.
    pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
    shortest = min(map(len, forms))

    def masked(text: str) -> str:
        return mask(pattern.sub(MASKED, text) if len(text) >= shortest else text)

    return masked


def secret_values(settings: Settings) -> set[str]:
    """Returns every secret in the settings: those typed so, and the passwords of URLs."""
    return {secret for name in type(settings).model_fields for secret in _secrets_in(getattr(settings, name))}


def _secrets_in(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case SecretBytes():
            yield value.get_secret_value().decode("latin-1")
        case str() if _URL.match(value):
            yield from _password(value)
        case Mapping():
            for item in value.values():
                yield from _secrets_in(item)
        case str():
            pass
        case Sequence() | set() | frozenset():
            for item in value:
                yield from _secrets_in(item)


def _password(url: str) -> Iterator[str]:
    # A cluster's URL names several hosts, which the parser minds only where a port is asked for.
    password = urlsplit(url).password
    if password:
        yield unquote(password)


def _forms(secret: str) -> Iterator[str]:
    """Yields the ways in which a secret may be written."""
    for text in {secret, secret.removeprefix(DEVELOPMENT_MARK)}:
        yield text
        yield quote(text, safe="")
        yield repr(text)[1:-1]
        # Without its padding, base64 of the text is found also where more text follows it.
        octets = text.encode()[: len(text.encode()) // 3 * 3]
        yield b64encode(octets).decode()
        yield urlsafe_b64encode(octets).decode()
