"""Settings that are written as JSON."""

import json
from typing import Any


def parse_value(text: str) -> Any:
    """Returns the value that a setting's JSON stands for.

    Raises:
        ValueError: one sentence that repeats nothing of the text.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} at character {error.pos + 1}.") from None
    except RecursionError:
        raise ValueError("it is JSON that is nested too deep.") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("it is JSON that says a name twice.")
    return dict(pairs)
