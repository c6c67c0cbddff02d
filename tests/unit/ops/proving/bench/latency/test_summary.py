import math

from ops.proving.bench.latency.paths import (
    CELERY_DEFAULT,
    FASTAPI_TWO_HOP,
    IN_PROCESS,
    PERF_MODE,
    SHRIKE,
    batch_size_name,
    in_order,
)
from ops.proving.bench.latency.summary import TARGETS, changed_settings, ratios, table
from ops.proving.bench.load.rounds import BATCH, CLOSED, OPEN, Round


def measured(contender: str, kind: str, *, throughput: float, p50: float = 1.0, cpu: float = 1.0) -> Round:
    rate = 250.0 if kind == OPEN else None
    return Round(contender, kind, 0, rate, 10, 10, throughput, p50, 2 * p50, 3 * p50, {"web": cpu})


def test_ratios_divide_medians() -> None:
    some = [
        *(measured(SHRIKE, CLOSED, throughput=value, cpu=2.0) for value in (900.0, 1000.0, 9000.0)),
        measured(SHRIKE, BATCH, throughput=9000.0),
        measured(FASTAPI_TWO_HOP, CLOSED, throughput=400.0, cpu=4.0),
        measured(CELERY_DEFAULT, CLOSED, throughput=100.0),
        measured(IN_PROCESS, CLOSED, throughput=1250.0),
        measured(SHRIKE, OPEN, throughput=250.0, p50=2.0),
        measured(FASTAPI_TWO_HOP, OPEN, throughput=250.0, p50=4.0),
        measured(IN_PROCESS, OPEN, throughput=250.0, p50=1.0),
    ]
    assert ratios(some) == {
        "throughput_vs_fastapi_two_hop": 2.5,
        "throughput_vs_celery_default": 10.0,
        "throughput_vs_in_process": 0.8,
        "p50_vs_fastapi_two_hop_at_250": 0.5,
        "p99_vs_fastapi_two_hop_at_250": 0.5,
        "p99_vs_in_process_at_250": 2.0,
        "cpu_vs_fastapi_two_hop": 0.5,
        "batch_vs_single": 9.0,
    }
    assert all(TARGETS[name].is_met(value) for name, value in ratios(some).items())
    assert "Shrike" in table(some)


def test_a_path_that_was_not_measured_meets_no_target() -> None:
    values = ratios([measured(SHRIKE, CLOSED, throughput=1.0)])
    assert math.isnan(values["throughput_vs_in_process"])
    assert not TARGETS["throughput_vs_in_process"].is_met(values["throughput_vs_in_process"])


def test_a_changed_setting_stands_beside_the_platform_as_it_is() -> None:
    some = [
        measured(SHRIKE, CLOSED, throughput=1000.0, cpu=2.0),
        measured(SHRIKE, OPEN, throughput=250.0, p50=2.0),
        measured(batch_size_name(8), CLOSED, throughput=500.0, cpu=3.0),
        measured(PERF_MODE, CLOSED, throughput=1500.0, cpu=1.0),
        measured(PERF_MODE, OPEN, throughput=250.0, p50=1.0),
        measured(CELERY_DEFAULT, CLOSED, throughput=100.0),
    ]
    values = changed_settings(some)
    assert list(values) == ["PERF_MODE=true", "INFER_BATCH_SIZE=8"]
    assert values["PERF_MODE=true"] == {"throughput": 1.5, "cpu": 0.5, "p50_at_250": 0.5, "p99_at_250": 0.5}
    assert values["INFER_BATCH_SIZE=8"]["throughput"] == 0.5
    assert math.isnan(values["INFER_BATCH_SIZE=8"]["p50_at_250"])
    assert "INFER_BATCH_SIZE=8" in table(some)


def test_paths_are_listed_once_and_in_one_order() -> None:
    names = [batch_size_name(64), CELERY_DEFAULT, batch_size_name(8), SHRIKE, CELERY_DEFAULT]
    assert in_order(names) == [SHRIKE, CELERY_DEFAULT, batch_size_name(64), batch_size_name(8)]
