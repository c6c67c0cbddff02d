"""Exceptions of the security package. Reasons are short fixed words, safe to count and to log."""


class SecurityError(Exception):
    """Something was refused, or cannot be checked."""


class RejectedError(SecurityError):
    """A credential was refused.

    Attributes:
        reason: one fixed word such as `token_expired`; it never holds anything the caller sent.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenRejectedError(RejectedError):
    """The bearer token is missing or not acceptable."""


class SignatureRejectedError(RejectedError):
    """The request's timestamp or signature is missing or not acceptable."""


class MessageRejectedError(RejectedError):
    """A queue message is unsigned, altered or forged."""


class KeyUnusableError(SecurityError):
    """A key or secret is missing, weak or malformed; the message is one sentence for the operator."""


class KeysUnavailableError(SecurityError):
    """The keys that tokens are verified with are not known now, so no token can be accepted."""


class AdmissionUnavailableError(SecurityError):
    """Replay and rate limits cannot be checked now, so nothing may be admitted."""
