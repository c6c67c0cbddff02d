"""The last accepted model version in memory, for tests and tools of one process."""


class MemoryAcceptedVersion:
    """A mark that only this process sees."""

    def __init__(self) -> None:
        self._version: str | None = None
        self._overrides = 0

    def read(self) -> str | None:
        """See `AcceptedVersion.read`."""
        return self._version

    def override(self) -> str:
        """See `AcceptedVersion.override`."""
        return str(self._overrides)

    def raise_to(self, version: str, *, under: str) -> bool:
        """See `AcceptedVersion.raise_to`."""
        if under != self.override():
            return False
        if self._version is None or version > self._version:
            self._version = version
        return True

    def set_to(self, version: str) -> None:
        """See `AcceptedVersion.set_to`."""
        self._version = version
        self._overrides += 1
