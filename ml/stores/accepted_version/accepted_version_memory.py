"""The last accepted model version in memory, for tests and tools of one process."""


class MemoryAcceptedVersion:
    """A mark that only this process sees."""

    def __init__(self) -> None:
        self._version: str | None = None

    def read(self) -> str | None:
        """See `AcceptedVersion.read`."""
        return self._version

    def raise_to(self, version: str) -> None:
        """See `AcceptedVersion.raise_to`."""
        if self._version is None or version > self._version:
            self._version = version

    def set_to(self, version: str) -> None:
        """See `AcceptedVersion.set_to`."""
        self._version = version
