"""Looks into PromQL expressions, as far as tests need it."""

import re

_WORDS = {"and", "or", "unless", "sum", "max", "min", "count", "avg", "by", "on", "group_left", "topk", "offset"}


def metrics_in(expression: str) -> set[str]:
    """Returns the names in an expression that are neither functions, labels nor keywords."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]|\b(?:by|on|group_left) \([^)]*\)', "", expression)
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    bare = re.sub(r"\boffset \w+", "", bare)
    return set(re.findall(r"(?<![\w.])[a-zA-Z_][\w:]*(?!\w)(?!\s*\()", bare)) - _WORDS


def filled(expression: str) -> str:
    """Returns a dashboard's query with values for Grafana's variables."""
    values = {"$__rate_interval": "5m", "$job": "shrike.*", "$instance": ".*"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression
