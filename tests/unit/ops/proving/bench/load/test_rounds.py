import math

import numpy as np
import orjson
import pytest

from ml.domain.transaction import Transaction
from ops.proving.bench.latency.paths import (
    CELERY_DEFAULT,
    FASTAPI_TWO_HOP,
    IN_PROCESS,
    PERF_MODE,
    SHRIKE,
    Contender,
    batch_size_name,
    in_order,
)
from ops.proving.bench.latency.summary import fast_paths, is_met, ratios, table
from ops.proving.bench.load import rounds
from ops.proving.bench.load.loops import LoadResult
from ops.proving.bench.load.requests import Signer, TransactionSupply, single_requests
from ops.proving.bench.load.rounds import BATCH, CLOSED, OPEN, Round, WrongAnswerError

KEY = b"k" * 32


def transaction(number: int) -> Transaction:
    return Transaction.model_validate(
        {
            "transaction_id": f"t{number}",
            "timestamp": 1_000 + number,
            "customer_id": "c",
            "terminal_id": "m",
            "amount": 1,
            "currency": "EUR",
            "channel": "pos",
        }
    )


def measured(contender: str, kind: str, *, throughput: float, p50: float = 1.0, cpu: float = 1.0) -> Round:
    rate = 250.0 if kind == OPEN else None
    return Round(contender, kind, 0, rate, 10, 10, throughput, p50, 2 * p50, 3 * p50, {"web": cpu})


def test_a_supply_repeats_its_days_later_and_never_an_id() -> None:
    supply = TransactionSupply([transaction(0), transaction(1)], span_seconds=100)
    first = supply.take(3, name="a")
    assert [item.transaction_id for item in first] == ["a-0", "a-1", "a-2"]
    assert [item.timestamp for item in first] == [1_000, 1_001, 1_100]
    supply.advance(3)
    assert supply.take(1, name="a")[0].transaction_id == "a-3"


def test_a_request_is_complete_and_signed() -> None:
    (request,) = single_requests(Signer("token", KEY), [transaction(1)])
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"X-Request-Signature: " in head
    assert orjson.loads(body)["transaction_id"] == "t1"


@pytest.mark.parametrize(
    "answer",
    [
        {"transaction_id": "other", "score": 0.5},
        {"transaction_id": "t0", "score": 1.5},
        {"transaction_id": "t0"},
    ],
)
def test_an_answer_for_somebody_else_or_without_a_score_ends_the_benchmark(answer: dict[str, object]) -> None:
    result = LoadResult(np.array([0.1]), np.array([200]), [orjson.dumps(answer)], 1.0)
    with pytest.raises(WrongAnswerError):
        rounds._check(Contender(SHRIKE, "h", 1, {}), [transaction(0)], result)


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
    assert all(is_met(name, value) for name, value in ratios(some).items())
    assert "Shrike" in table(some)


def test_a_path_that_was_not_measured_meets_no_target() -> None:
    values = ratios([measured(SHRIKE, CLOSED, throughput=1.0)])
    assert math.isnan(values["throughput_vs_in_process"])
    assert not is_met("throughput_vs_in_process", values["throughput_vs_in_process"])


def test_a_changed_setting_stands_beside_the_platform_as_it_is() -> None:
    some = [
        measured(SHRIKE, CLOSED, throughput=1000.0, cpu=2.0),
        measured(SHRIKE, OPEN, throughput=250.0, p50=2.0),
        measured(batch_size_name(8), CLOSED, throughput=500.0, cpu=3.0),
        measured(PERF_MODE, CLOSED, throughput=1500.0, cpu=1.0),
        measured(PERF_MODE, OPEN, throughput=250.0, p50=1.0),
        measured(CELERY_DEFAULT, CLOSED, throughput=100.0),
    ]
    values = fast_paths(some)
    assert list(values) == ["PERF_MODE=true", "INFER_BATCH_SIZE=8"]
    assert values["PERF_MODE=true"] == {"throughput": 1.5, "cpu": 0.5, "p50_at_250": 0.5, "p99_at_250": 0.5}
    assert values["INFER_BATCH_SIZE=8"]["throughput"] == 0.5
    assert math.isnan(values["INFER_BATCH_SIZE=8"]["p50_at_250"])
    assert "INFER_BATCH_SIZE=8" in table(some)


def test_paths_are_listed_once_and_in_one_order() -> None:
    names = [batch_size_name(64), CELERY_DEFAULT, batch_size_name(8), SHRIKE, CELERY_DEFAULT]
    assert in_order(names) == [SHRIKE, CELERY_DEFAULT, batch_size_name(64), batch_size_name(8)]
