"""What is wrong with settings, as sentences that name the variable and repeat no value, which may be a secret."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError


def settings_problems(error: ValidationError) -> list[str]:
    """Returns a sentence for each problem."""
    return [
        sentence for problem in error.errors(include_input=False, include_url=False) for sentence in _sentences(problem)
    ]


def _sentences(problem: Mapping[str, Any]) -> list[str]:
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, SettingsRefusedError):
        return list(cause.sentences)
    # A validator's own sentence; pydantic would put "Value error" before it.
    text = str(cause) if isinstance(cause, ValueError) else problem["msg"]
    if not problem["loc"]:
        return [text]
    field, *inside = (str(part) for part in problem["loc"])
    name = field.upper()
    if text.startswith(name):
        return [text]
    place = f"{name}, at {'.'.join(inside)}" if inside else name
    return [f"{place}: {text[:1].lower()}{text[1:].removesuffix('.')}."]


class SettingsRefusedError(ValueError):
    """Production refuses to start with these settings.

    Attributes:
        sentences: one for each refusal.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("production refuses to start: " + " ".join(sentences))
        self.sentences = tuple(sentences)


class UnreadableFileError(ValueError):
    """A file of settings cannot be read."""
