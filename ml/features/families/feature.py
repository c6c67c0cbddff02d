"""The declaration of one feature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Describe = Callable[[float, Mapping[str, float]], str]


@dataclass(frozen=True)
class Feature:
    """One declared feature.

    Attributes:
        name: column name, unique.
        family: `amount_time`, `customer_velocity`, `customer_norm`, `terminal_velocity`, `terminal_risk`, `novelty`.
        reason_code: the API's code for it as a reason; several features may share a code.
        describe: plain-language text of a value, given the whole named vector for comparison.
    """

    name: str
    family: str
    reason_code: str
    describe: Describe
