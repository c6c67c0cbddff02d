"""Which links to the status page were used, in memory."""


class MemoryUsedLinks:
    """Remembers links that were used; see `UsedLinks`."""

    def __init__(self) -> None:
        self.is_away = False
        self._used: set[str] = set()

    def take(self, link_id: str, _seconds: int) -> bool | None:
        """See `UsedLinks.take`."""
        if self.is_away:
            return None
        is_first = link_id not in self._used
        self._used.add(link_id)
        return is_first
