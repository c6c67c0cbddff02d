"""A web process's own model (USE_LOCAL_INFERENCE): loaded before the first request, then kept current."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tasks.upkeep.housekeeping import Housekeeping, Job, no_more_often, run_until_done

if TYPE_CHECKING:
    # Most web processes have no onnxruntime.
    from tasks.model.loading import OpenedModel

_CHECK_SECONDS = 10.0
_TURN_SECONDS = 1.0

_FIRST_LOOKS = 6
"""How often a store is asked before the first request that does not answer in time."""


class LocalScoring:
    """Keeps the model of this process.

    Args:
        refresh: loads the champion if another model serves; refuses an artifact that must not be trusted.
        version: returns the loaded version, None while there is none.
        poll_seconds: how often a new champion is looked for.
        check: whether the model still computes what it computed at its training; withdraws it if not.
        jobs: what else is looked after beside the requests, and once before the first.
    """

    def __init__(
        self,
        *,
        refresh: Job,
        version: Callable[[], str | None],
        poll_seconds: float,
        check: Job = lambda: None,
        jobs: Sequence[Job] = (),
    ) -> None:
        self._refresh = refresh
        self._version = version
        self._jobs = jobs
        self._housekeeping = Housekeeping(
            [no_more_often(poll_seconds, refresh), no_more_often(_CHECK_SECONDS, check), *jobs],
            interval_seconds=min(poll_seconds, _TURN_SECONDS),
        )

    @property
    def version(self) -> str | None:
        """The version of the loaded model; None while there is none."""
        return self._version()

    def start(self) -> None:
        """Loads the model, then looks for new ones regularly; to be called after the fork, before any request."""
        self._refresh()
        run_until_done(self._jobs, turns=_FIRST_LOOKS)
        self._housekeeping.start()

    def stop(self) -> None:
        """Ends the search for new models."""
        self._housekeeping.stop()


def open_beside_requests(version: str, **sources: Any) -> "OpenedModel":
    """Opens a model like `tasks.model.loading.open_champion`, without holding up requests under way.

    Under gevent every greenlet would wait for the decryption, the session and the warm-up; a native thread lets the
    others go on. It must touch nothing that gevent has patched, such as the log, and opening a model does not.
    """
    from gevent import get_hub
    from gevent.monkey import is_module_patched

    from tasks.model.loading import open_champion

    if not is_module_patched("threading"):
        return open_champion(version, **sources)
    opened: OpenedModel = get_hub().threadpool.apply(open_champion, (version,), sources)
    return opened
