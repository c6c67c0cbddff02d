"""What became of a load: counts by status, latencies of the decisions, requests per second."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ops.proving.traffic import percentile

_SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


@dataclass
class StressTally:
    """The account of one run.

    Attributes:
        planned: requests that were to be sent.
        latencies: of the requests that got their decision, seconds from sending to the whole answer.
        errors: all others, by status or by why no answer came.
        seconds: from the first request to the last answer.
    """

    planned: int
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        """Requests that have an outcome."""
        return self.ok + self.errors.total()

    @property
    def ok(self) -> int:
        """Requests that got their decision."""
        return len(self.latencies)

    @property
    def requests_per_second(self) -> float:
        """Requests with an outcome, per second."""
        return self.sent / self.seconds if self.seconds > 0 else 0.0

    def latencies_ms(self) -> dict[str, float]:
        """Returns percentiles and average of the decisions' latencies; empty without a decision."""
        if not self.latencies:
            return {}
        figures = {name: percentile(self.latencies, share) * 1000 for name, share in _SHARES.items()}
        return figures | {"average_ms": sum(self.latencies) / self.ok * 1000, "max_ms": max(self.latencies) * 1000}

    def line(self, seconds: float) -> str:
        """Returns the live line after so many seconds."""
        rate = self.sent / seconds if seconds > 0 else 0.0
        errors = f", {self.errors.total():,} errors" if self.errors else ""
        return f"{self.sent:,}/{self.planned:,}  {self.ok:,} ok{errors}  {rate:,.0f} requests/s"

    def wire(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return {
            "total": self.planned,
            "sent": self.sent,
            "ok": self.ok,
            "errors": dict(self.errors.most_common()),
            "elapsed_seconds": round(self.seconds, 3),
            "requests_per_second": round(self.requests_per_second, 1),
            **{name: round(value, 3) for name, value in self.latencies_ms().items()},
        }

    def text(self) -> str:
        """Returns the summary for a person."""
        rows = [
            ("total", f"{self.planned:,}" + (f" ({self.sent:,} sent)" if self.sent < self.planned else "")),
            ("ok", f"{self.ok:,}"),
            ("errors", f"{self.errors.total():,}"),
            *((f"  {kind}", f"{number:,}") for kind, number in self.errors.most_common()),
            ("elapsed", f"{self.seconds:.1f} s"),
            ("requests/s", f"{self.requests_per_second:,.1f}"),
        ]
        names = {"average_ms": "average", "max_ms": "longest"}
        rows += [(names.get(name, name[:-3]), f"{value:,.1f} ms") for name, value in self.latencies_ms().items()]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
