"""Which part of the feature store answers, for the sign of life and so for readiness."""

from collections.abc import Callable

from ml.domain.errors import StoreUnavailableError
from ml.stores.redis.commands import UnansweredError


class HistoriesReach:
    """What the last look at the feature store met.

    Attributes:
        detail: what is wrong, in a sentence; None while all of it answers.
        is_blind: whether no part of it answers.
    """

    def __init__(self) -> None:
        self.detail: str | None = None
        self.is_blind = False

    def watch(self, look: Callable[[], None]) -> Callable[[], None]:
        """Returns the look, whose failures are noted here; a look that succeeds ends them."""

        def watched() -> None:
            try:
                look()
            except UnansweredError as error:
                silent = sum(1 for reply in error.replies if isinstance(reply, Exception))
                self.is_blind = silent == len(error.replies)
                self.detail = f"{silent} of {len(error.replies)} parts of the feature store do not answer"
                raise
            except StoreUnavailableError:
                self.is_blind, self.detail = True, "the feature store does not answer"
                raise
            self.is_blind, self.detail = False, None

        return watched
