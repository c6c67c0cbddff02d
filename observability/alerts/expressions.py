"""PromQL that several alerts need."""


def rose(selector: str, window: str, *, by: str = "") -> str:
    """Returns how often a counter rose within the window, its first rise included.

    `increase` does not see a counter's birth: a labelled counter of the Python client appears with its first count, and
    from nothing to one is no increase. A series that did not exist a window ago counts with its whole value instead. A
    Prometheus that has just been started knows no past, so it counts everything that it finds.
    """
    aggregation = f"sum by ({by})" if by else "sum"
    return f"{aggregation} (({selector} unless {selector} offset {window}) or increase({selector}[{window}]))"


def quantile(share: float, histogram: str, window: str, *, by: str = "", matching: str = "") -> str:
    """Returns a quantile of a histogram over the window, by the given labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{matching}[{window}])))"


def ratio(part: str, whole: str) -> str:
    """Returns a share; 0 while nothing of the part was ever counted, nothing while the whole stands still."""
    return f"(({part}) or vector(0)) / (({whole}) > 0)"
