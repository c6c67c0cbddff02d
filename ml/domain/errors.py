"""Exceptions of the domain. `RetryableError` marks what a later attempt may mend."""


class MlError(Exception):
    """The domain could not do what it was asked."""


class RetryableError(MlError):
    """A server did not answer in time or went away; the same call may work later."""


class StoreUnavailableError(RetryableError):
    """A store could not be reached."""


class DataError(MlError):
    """Training or history data is missing, malformed or unusable."""


class ArtifactError(MlError):
    """A model version failed a check and was not loaded.

    Attributes:
        check: the check that failed: `files`, `signature`, `version`, `hash`, `decryption`, `format`, `schema` or
            `golden`.
    """

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.check = check
