"""Credentials: tokens, signatures, private keys, passwords in URLs, values of secret-like names; nothing stays.

`security.masking.provider_tokens` knows the tokens of well-known providers.
"""

import re

from security.masking.provider_tokens import MIN_TOKEN_CHARACTERS, mask_provider_tokens
from security.masking.stars import MASKED

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URL_PASSWORD = re.compile(r"://([^\s/:@]*+):[^\s/@]++@")
_CREDENTIALS = re.compile(r"\b(bearer|basic)((?:\s|%20)+)(?!\[masked\])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
# Base64 of 32 octets, an HMAC-SHA256, and of 64, an Ed25519 signature.
_SIGNATURE = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{43}(?:=|%3[Dd])|[A-Za-z0-9+/_-]{86}(?:=|%3[Dd]){2})(?!=|%3[Dd])"
)
_MIN_SIGNATURE_CHARACTERS = 44
_DOTTED = re.compile(r"[A-Za-z0-9_.-]{16,}+")
# The base64 of `{"`, of `{ ` and of `{` before a line break: where JWTs and JWEs begin.
_JWT_START = re.compile(r"e(?:y[JA]|w[o0k])[A-Za-z0-9_-]{7}")
# One search rules out nearly every text before the slower rules for names and schemes run.
_SOUNDS_SECRET = re.compile(
    "pass|pwd|pin|cv[cv]|csc|cvn|otp|sess|sid|code|secret|signature|token|authorization|cookie|credential|key|hmac"
    "|bearer|basic"
)
_NAME_AND_SEPARATOR = re.compile(
    r"""([\w-]++)\\{0,3}(?:["']?\s{0,4}[:=]\s{0,4}b?\\{0,3}["']?|["']\s{0,4},\s{0,4}b?\\{0,3}["'])"""
)
_SECRET_NAME = re.compile(
    r"""(?xi)
    # Of a person or a card: short, and secret however short.
    (?P<short> .*? (?: passw(?:or)?d | passphrase | passcode | pwd )
      | (?: .*[_-] | .*(?-i:(?<=[a-z])(?=[A-Z])) )?
        (?: (?: db | user )? pass | (?: card )? pin (?: _? code )? | cvv2? | cvc2? | cvn2? | csc | otp
          | (?: card )? security [-_]? code ) )
    (?: [-_] (?: value | hash | digest | hex | base64 ) )?
    | .*?
    ( secret | signature | token | authorization | cookie | credentials? | hmac | sess(?:ion)? [-_]? id
    | (?: api | private | secret | access | account | signing | encryption | message | hmac | jwt ) [-_]? key )
    (?: [-_] (?: header | value | hash | digest | hex | base64 ) )?
    | (?: .*[_-] )? sid
    """
)
_QUOTED_VALUES = {quote: re.compile(rf"((?:\\.|[^{quote}\\])+)", re.DOTALL) for quote in "\"'"}
# JSON inside of JSON: the quote that opens the value is escaped, and so is the one that closes it.
_ESCAPED_VALUES = {quote: re.compile(rf"(.+?)(?=(?<!\\)\\{quote}|\Z)", re.DOTALL) for quote in "\"'"}
_SCHEMES = "bearer|basic|digest|token|key|apikey|negotiate|ntlm|hmac[a-z0-9-]*|aws4-hmac-sha256"
_BARE_VALUE = re.compile(rf"""(?:(?:{_SCHEMES})\s+)?([^\s"'&;,)}}\]]+)""", re.IGNORECASE)
_COOKIES = re.compile(r"""([^"'\n\r]+)""")
_MIN_SECRET_CHARACTERS = 8
"""Shorter values of secret-like names are counts and words, as in `token=missing`; what people type is never spared."""


def mask_credentials(text: str) -> str:
    """Returns the text with every credential in it masked."""
    if "://" in text and "@" in text:
        text = _URL_PASSWORD.sub(rf"://\1:{MASKED}@", text)
    if len(text) >= MIN_TOKEN_CHARACTERS:
        text = mask_provider_tokens(text)
    sounds_secret = _SOUNDS_SECRET.search(text.lower()) is not None
    if sounds_secret:
        text = _PRIVATE_KEY.sub(MASKED, text)
        text = _CREDENTIALS.sub(rf"\1\2{MASKED}", text)
    if "ey" in text or "ew" in text:
        text = _DOTTED.sub(_masked_jwt, text)
    if sounds_secret:
        text = _mask_secret_values(text)
    if len(text) >= _MIN_SIGNATURE_CHARACTERS and ("=" in text or "%3" in text):
        text = _SIGNATURE.sub(MASKED, text)
    return text


def _masked_jwt(match: re.Match[str]) -> str:
    start = _JWT_START.search(match[0])
    if start is None or "." not in match[0][start.end() :]:
        return match[0]
    return match[0][: start.start()] + MASKED


def _mask_secret_values(text: str) -> str:
    """Returns the text with the value masked behind every name that sounds like a secret's."""
    pieces: list[str] = []
    copied = at = 0
    while name := _NAME_AND_SEPARATOR.search(text, at):
        at = name.end()
        secret = _SECRET_NAME.fullmatch(name[1])
        if not secret or text.startswith(MASKED, at):
            continue
        quoted = _ESCAPED_VALUES if text[at - 2] == "\\" else _QUOTED_VALUES
        bare = _COOKIES if name[1].lower().endswith("cookie") else _BARE_VALUE
        value = quoted.get(text[at - 1], bare).match(text, at)
        if value and (secret["short"] or len(value[1]) >= _MIN_SECRET_CHARACTERS):
            pieces += (text[copied:at], MASKED)
            copied = at = value.end()
    return "".join(pieces) + text[copied:] if pieces else text
