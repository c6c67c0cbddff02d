"""The last accepted model version, kept apart from the registry.

The registry's own mark lies in the folder that it guards: an attacker who can restore an old version there can restore
an old mark beside it. This mark lies elsewhere, so that going back needs access to both places, or an administrator.
"""

from typing import Protocol


class AcceptedVersion(Protocol):
    """A mark that only an administrator can lower; every method may raise StoreUnavailableError."""

    def read(self) -> str | None:
        """Returns the version below which none is loaded; None before the first.

        Raises:
            ArtifactError: check `version`: the mark is not sealed by us, so no version can be compared with it.
        """
        ...

    def override(self) -> str:
        """Returns which administrator's override the mark stands under: another text after each `set_to`."""
        ...

    def raise_to(self, version: str, *, under: str) -> bool:
        """Notes a version that was accepted; an older one than the mark changes nothing.

        Args:
            version: the accepted one.
            under: the override that held when the registry named this version.

        Returns:
            Whether that override still holds; if not, nothing was noted, because an administrator has decided since.
        """
        ...

    def set_to(self, version: str) -> None:
        """Sets the mark, back as well as forth: an administrator's override, which the caller audits."""
        ...
