import pytest

from ops.proving.chaos.evidence.footprint import FILES, MEMORY_BYTES, Growth, Sample, growth

MIB = 2**20


def life(resident_mib: list[float], files: list[int]) -> list[Sample]:
    return [
        Sample(float(place), 1, round(size * MIB), count, 1)
        for place, (size, count) in enumerate(zip(resident_mib, files, strict=True))
    ]


def test_growth_is_the_last_quarter_against_the_first() -> None:
    grown = growth("a", life([100, 100, 300, 50, 100, 100, 120, 120], [10] * 6 + [12, 12]))
    assert grown == Growth("a", 7.0, (100 * MIB, 120 * MIB), (10, 12), (1, 1))


@pytest.mark.parametrize(
    ("after_bytes", "after_files", "is_flat"),
    [
        (110 * MIB + MEMORY_BYTES, 10 + FILES, True),
        (111 * MIB + MEMORY_BYTES, 10, False),
        (100 * MIB, 11 + FILES, False),
    ],
)
def test_flat_is_what_grows_within_the_tolerance(after_bytes: int, after_files: int, *, is_flat: bool) -> None:
    assert Growth("a", 60.0, (100 * MIB, after_bytes), (10, after_files), (1, 1)).is_flat is is_flat
