"""The few figures of a worker that its sign of life carries, so that the status page needs no scraping."""

from collections.abc import Mapping

from observability import metrics

PSI_SCORE, PSI_WORST = "psi_score", "psi_worst_feature"


def worker_figures() -> Mapping[str, float]:
    """Returns this process's decisions so far by kind, and the indices of its last drift check; empty without any."""
    figures: dict[str, float] = {}
    for family in metrics.decisions_total.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                kind = sample.labels["decision"]
                figures[kind] = figures.get(kind, 0.0) + sample.value
    indices = [sample.value for family in metrics.psi_feature.collect() for sample in family.samples]
    if indices:  # before the first check the score's gauge shows 0, which is no finding
        figures[PSI_WORST] = max(indices)
        figures[PSI_SCORE] = next(sample.value for family in metrics.psi_score.collect() for sample in family.samples)
    return figures
