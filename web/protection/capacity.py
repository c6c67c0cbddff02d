"""How a process's connections are shared out: four fifths for scoring, the rest for administrators and probes.

A module of its own, because gunicorn's master imports it, and the master must not import the metrics.
"""


def scoring_share(connections: int) -> int:
    """Returns how many of a process's connections scoring and reading may use.

    >>> scoring_share(1000)
    800
    """
    return max(1, connections * 4 // 5)
