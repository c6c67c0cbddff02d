"""Whether this process is about to stop, so that readiness says so while it still serves."""


class Draining:
    """Set once, at the signal to stop."""

    __slots__ = ("_has_begun",)

    def __init__(self) -> None:
        self._has_begun = False

    @property
    def has_begun(self) -> bool:
        """Whether the process drains."""
        return self._has_begun

    def begin(self) -> None:
        """Makes readiness fail from now on."""
        self._has_begun = True
