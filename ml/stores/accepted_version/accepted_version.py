"""The last accepted model version, kept apart from the registry.

The registry's own mark lies in the folder that it guards: whoever can put an old version back there can put an old mark
beside it. This one lies elsewhere, so that going back takes both, or an administrator.
"""

from typing import Protocol


class AcceptedVersion(Protocol):
    """A mark that only rises, but for an administrator; every method may raise StoreUnavailableError."""

    def read(self) -> str | None:
        """Returns the version below which none is loaded; None before the first.

        Raises:
            ArtifactError: check `version`: somebody else wrote it, so nothing older than anything can be told.
        """
        ...

    def raise_to(self, version: str) -> None:
        """Notes a version that was accepted; an older one than the mark changes nothing."""
        ...

    def lower_to(self, version: str) -> None:
        """Sets the mark, back as well as forth: an administrator's override, which the caller audits."""
        ...
