from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from observability.batches import observe_all

BOUNDS = (0.25, 0.5, 1.0)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 1.0, 7.0])))
def test_a_batch_counts_like_its_values_one_by_one(values: list[float]) -> None:
    registry = CollectorRegistry()
    together = Histogram("together", "All at once.", buckets=BOUNDS, registry=registry)
    single = Histogram("single", "One by one.", buckets=BOUNDS, registry=registry)
    observe_all(together, values)
    for value in values:
        single.observe(value)

    def shown(name: str) -> list[float | None]:
        buckets = [registry.get_sample_value(f"{name}_bucket", {"le": le}) for le in ("0.25", "0.5", "1.0", "+Inf")]
        return [*buckets, *(registry.get_sample_value(f"{name}_{part}") for part in ("sum", "count"))]

    assert shown("together") == shown("single")
