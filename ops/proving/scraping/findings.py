"""What Prometheus saw of each target: whether it was up at every scrape, and whether a counter ever fell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ops.proving.scraping.prometheus import Prometheus, Series, Target

_COUNTERS = '{{__name__=~".+_(total|count|sum|bucket)",job="{job}"}}'


@dataclass(frozen=True, slots=True)
class Findings:
    """What was seen of one target.

    Attributes:
        job: the target's.
        scrapes: how often it was scraped.
        failed: how many of these found it down.
        counters: how many counters it showed.
        fallen: those that were once less than before.
    """

    job: str
    scrapes: int
    failed: int
    counters: int
    fallen: tuple[str, ...]

    def problems(self) -> Iterator[str]:
        """Yields a sentence for everything that must not be."""
        if not self.scrapes:
            yield f"{self.job} was never scraped."
        if self.failed:
            yield f"{self.job} was down at {self.failed} of {self.scrapes} scrapes."
        if self.scrapes and not self.counters:
            yield f"{self.job} showed no counter."
        if self.fallen:
            yield f"{self.job} let {len(self.fallen)} counters fall, such as {self.fallen[0]}."


def find(prometheus: Prometheus, targets: Sequence[Target], *, seconds: float) -> list[Findings]:
    """Returns what was seen in the last seconds, by target."""
    return [_of_target(prometheus, target.job, seconds) for target in targets]


def _of_target(prometheus: Prometheus, job: str, seconds: float) -> Findings:
    up = [value for series in prometheus.samples(f'up{{job="{job}"}}', seconds=seconds) for value in series.values]
    counters = prometheus.samples(_COUNTERS.format(job=job), seconds=seconds)
    fallen = tuple(sorted(series.name for series in counters if has_fallen(series)))
    return Findings(job, len(up), sum(1 for value in up if value != 1), len(counters), fallen)


def has_fallen(series: Series) -> bool:
    """Whether a value is less than the one before it."""
    return any(later < earlier for earlier, later in pairwise(series.values))
