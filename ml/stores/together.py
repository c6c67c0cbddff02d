"""Several servers asked at the same time, with one deadline for all."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from ml.domain.errors import RetryableError, StoreUnavailableError

_Answer = TypeVar("_Answer")


def ask_together(
    questions: Mapping[str, Callable[[], _Answer]], *, deadline: float
) -> dict[str, _Answer | RetryableError]:
    """Returns each question's answer, or why there is none.

    A question that was not answered in time goes on beside the caller until its own client gives up, so every client
    needs a time-out of its own. Once the deadline has passed none is asked.

    Args:
        questions: by name; each runs in a thread of its own, which is a greenlet in a web process.
        deadline: by `time.monotonic`.

    Raises:
        Exception: whatever a question raises that is no RetryableError.
    """
    answers: dict[str, _Answer | RetryableError] = {}
    faults: list[Exception] = []

    def ask(name: str, question: Callable[[], _Answer]) -> None:
        try:
            answers[name] = question()
        except RetryableError as error:
            answers[name] = error
        except Exception as error:  # noqa: BLE001 - raised again by the caller's thread below
            faults.append(error)

    if time.monotonic() < deadline:
        threads = [threading.Thread(target=ask, args=pair, daemon=True) for pair in questions.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    if faults:
        raise faults[0]
    in_time = dict(answers)
    return {name: in_time.get(name, StoreUnavailableError("no answer in time")) for name in questions}
