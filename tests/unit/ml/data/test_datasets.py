import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.data.datasets import load_transactions, write_transactions
from ml.data.simulator import simulate
from ml.data.table import NEVER, UNKNOWN, TransactionTable
from ml.domain.errors import DataError

OWN: dict[str, list[Any]] = {
    "transaction_id": ["p1", "p2", "p3"],
    "timestamp": [1_767_225_700, 1_767_225_600, 1_767_225_800],
    "customer_id": ["c1", "c2", "c1"],
    "terminal_id": ["t1", "t1", "t2"],
    "amount": [12.5, 0.0001, 1e9],
    "currency": ["EUR", "EUR", "USD"],
    "channel": ["pos", "ecom", "atm"],
}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**columns: list[Any] | None) -> Path:
        path = tmp_path / "data.parquet"
        merged = {name: values for name, values in {**OWN, **columns}.items() if values is not None}
        pq.write_table(pa.table(merged), path)
        return path

    return write


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_transactions(path)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_a_table_survives_being_written_and_read(tmp_path: Path) -> None:
    table = simulate(customers=20, terminals=20, days=10, seed=1)
    write_transactions(table, tmp_path / "t.parquet")
    again = load_transactions(tmp_path / "t.parquet", label_delay_days=99)
    assert (again.duplicates, again.out_of_order, again.is_benchmark) == (0, 0, False)
    assert list(again.table.to_transactions()) == list(table.to_transactions())
    for name in ("is_fraud", "label_known_at", "scenario"):
        np.testing.assert_array_equal(getattr(again.table, name), getattr(table, name))


def test_unlabelled_rows_survive_too(tmp_path: Path) -> None:
    table = simulate(customers=5, terminals=5, days=5, seed=1)
    bare = TransactionTable.build(**{**vars(table), "is_fraud": None, "label_known_at": None})
    write_transactions(bare, tmp_path / "t.parquet")
    again = load_transactions(tmp_path / "t.parquet").table
    assert (again.is_fraud == UNKNOWN).all()
    assert (again.label_known_at == NEVER).all()


def test_unsorted_rows_are_sorted_and_counted_and_amounts_are_exact(write: Write) -> None:
    dataset = load_transactions(write())
    table = dataset.table
    assert dataset.out_of_order == 1
    assert table.transaction_id.tolist() == ["p2", "p1", "p3"]
    assert table.amount_units.tolist() == [1, 125_000, 10**13]


def test_a_repeated_transaction_id_is_counted_and_its_earliest_row_kept(write: Write) -> None:
    dataset = load_transactions(write(transaction_id=["p1", "p1", "p3"]))
    assert dataset.duplicates == 1
    assert dataset.table.amount_units.tolist() == [1, 10**13]


def test_labels_become_known_after_the_delay_or_when_the_file_says(write: Write) -> None:
    path = write(is_fraud=[1, 0, None], label_known_at=[1_767_300_000, None, 1_767_300_000])
    table = load_transactions(path, label_delay_days=2).table
    assert table.is_fraud.tolist() == [0, 1, UNKNOWN]
    assert table.label_known_at.tolist() == [1_767_225_600 + 2 * 86_400, 1_767_300_000, NEVER]


@pytest.mark.parametrize(
    "times",
    [
        ["2026-01-01T00:01:40Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:03:20.9Z"],
        ["2026-01-01T00:01:40", "2026-01-01 00:00:00", "2026-01-01T00:03:20"],
        [
            np.datetime64("2026-01-01T00:01:40", "ns"),
            np.datetime64("2026-01-01", "ns"),
            np.datetime64("2026-01-01T00:03:20", "ns"),
        ],
        [1_767_225_700.0, 1_767_225_600.99, 1_767_225_800.5],
    ],
)
def test_times_may_be_texts_timestamps_or_numbers(write: Write, times: list[Any]) -> None:
    assert load_transactions(write(timestamp=times)).table.epoch_seconds.tolist() == [
        1_767_225_600,
        1_767_225_700,
        1_767_225_800,
    ]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_keeps_leading_zeros_and_empty_fields(tmp_path: Path, suffix: str) -> None:
    text = (
        "transaction_id,timestamp,customer_id,terminal_id,amount,currency,channel,country,merchant_category,is_fraud\n"
        "001,2026-01-01T00:00:00Z,007,0,12.50,EUR,pos,,0742,\n"
        "002,2026-01-01T00:00:01Z,007,0,3,EUR,pos,NA,0742,1\n"
    )
    path = tmp_path / f"data{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())
    first, second = load_transactions(path).table.to_transactions()
    assert (first.transaction_id, first.customer_id, first.merchant_category) == ("001", "007", "0742")
    assert (first.country, second.country) == (None, "NA")


def test_the_benchmarks_columns_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.parquet"
    columns = {
        "TRANSACTION_ID": pa.array([5, 6], pa.int32()),
        "TX_DATETIME": pa.array(
            [np.datetime64("2018-04-01T00:00:31", "ns"), np.datetime64("2018-04-01T00:02:10", "ns")]
        ),
        "CUSTOMER_ID": pa.array([596, 4961], pa.int16()),
        "TERMINAL_ID": pa.array([3156, 3412], pa.int16()),
        "TX_AMOUNT": [57.16, 0.0],
        "TX_TIME_SECONDS": pa.array([31, 130], pa.int32()),
        "TX_TIME_DAYS": pa.array([0, 0], pa.int16()),
        "TX_FRAUD": pa.array([0, 1], pa.int8()),
        "TX_FRAUD_SCENARIO": pa.array([0, 2], pa.int8()),
    }
    pq.write_table(pa.table(columns), path)
    table = load_transactions(path, currency="USD").table
    first, second = table.to_transactions()
    assert (first.transaction_id, first.customer_id, first.currency, first.channel) == ("5", "596", "USD", "pos")
    assert (str(first.amount), str(second.amount)) == ("57.16", "0.01")
    assert first.event_time.isoformat() == "2018-04-01T00:00:31+00:00"
    assert table.scenario.tolist() == [0, 2]
    assert (table.label_known_at - table.epoch_seconds).tolist() == [7 * 86_400] * 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"amount": None}, " lacks the column amount."),
        ({"amount": None, "channel": None}, " lacks the columns amount, channel."),
        ({"colour": ["red"] * 3}, " has the unknown column colour."),
        ({"amount": [1.0, -2.0, 3.0]}, ", row 2: amount -2.0 is negative."),
        ({"amount": [1.0, 2.0, 0.0]}, ", row 3: amount 0.0 is not greater than 0."),
        ({"amount": [1.0, 2.0, 1e10]}, ", row 3: amount 10000000000.0 is above 1e9."),
        ({"amount": [1.00001, 2.0, 1.0]}, ", row 1: amount 1.00001 has more than 4 decimals."),
        ({"amount": [1.0, None, 1.0]}, ", row 2: amount is missing."),
        ({"timestamp": [1, 2, 5_000_000_000]}, ", row 3: timestamp 5000000000 does not lie between 1970 and 2100."),
        ({"timestamp": [1, None, 3]}, ", row 2: timestamp is missing."),
        ({"channel": ["pos", "shop", "pos"]}, ", row 2: channel 'shop' is malformed."),
        ({"currency": ["EUR", "EUR", "euro"]}, ", row 3: currency 'euro' is malformed."),
        ({"customer_id": ["a b", "c", "c"]}, ", row 1: customer_id 'a b' is malformed."),
        ({"terminal_id": ["t", None, "t"]}, ", row 2: terminal_id is missing."),
        ({"transaction_id": ["p1", "p 2", "p3"]}, ", row 2: transaction_id 'p 2' is malformed."),
        ({"transaction_id": ["p1", None, "p3"]}, ", row 2: transaction_id is missing."),
        ({"is_fraud": [0, 1, 2]}, ", row 3: is_fraud 2 is neither 0 nor 1."),
        ({"scenario": [0, 1, 300]}, ", row 3: scenario 300 does not lie between 0 and 127."),
        ({"amount": ["1.5", "2", "much"]}, ", row 3: amount 'much' is no number."),
        ({"is_fraud": ["0", "yes", "1"]}, ", row 2: is_fraud 'yes' is no number."),
        (
            {"timestamp": ["2026-01-01T00:00:00Z", "yesterday", "2026-01-01T00:00:00Z"]},
            ", row 2: timestamp 'yesterday' is no time such as 2026-03-01T12:00:00Z.",
        ),
        (
            {"timestamp": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00"]},
            ", row 3: timestamp '2026-01-01T00:00:00' is no time such as 2026-03-01T12:00:00Z.",
        ),
        (
            {"is_fraud": [0, 1, 0], "label_known_at": [1_767_225_700, 1_767_225_599, 1_767_400_000]},
            ", row 2: label_known_at 1767225599 lies before the payment's own timestamp.",
        ),
    ],
)
def test_unusable_data_is_refused_in_one_sentence(write: Write, columns: dict[str, Any], message: str) -> None:
    assert refusal(write(**columns)) == message


def test_a_bad_value_far_down_a_long_file_is_found(write: Write) -> None:
    amounts = ["1.25"] * 5_000
    amounts[4_321] = "1,25"
    columns = {name: [values[0]] * 5_000 for name, values in OWN.items()} | {"amount": amounts}
    assert refusal(write(**columns)) == ", row 4322: amount '1,25' is no number."


@pytest.mark.parametrize(
    "moment",
    [1_800_000_000, "2027-01-15T08:00:00", np.datetime64("2027-01-15T08:00:00.000000001", "ns")],
)
def test_a_transaction_of_the_future_is_refused_with_its_row_and_time(write: Write, moment: Any) -> None:
    past = np.datetime64("2026-01-01", "ns") if isinstance(moment, np.datetime64) else type(moment)(OWN["timestamp"][0])
    times = ["2026-01-01T00:00:00" if isinstance(moment, str) else past] * 2 + [moment]
    with pytest.raises(DataError, match=r", row 3: timestamp .*(1800000000|2027-01-15) ?.* lies in the future: it is"):
        load_transactions(write(timestamp=times), now=1_790_000_000)
    assert len(load_transactions(write(timestamp=times), now=1_800_000_000).table) == 3


def test_a_clock_that_is_a_little_ahead_is_forgiven(write: Write) -> None:
    latest = max(OWN["timestamp"])
    assert len(load_transactions(write(), now=latest - 86_400).table) == 3
    with pytest.raises(DataError, match="row 3"):
        load_transactions(write(), now=latest - 86_401)


def test_a_label_without_an_outcome_has_no_time_to_be_wrong(write: Write) -> None:
    table = load_transactions(write(is_fraud=[None, 0, 1], label_known_at=[0, None, 1_767_225_800])).table
    assert (table.label_known_at < NEVER).tolist() == [True, False, True]


def test_rows_of_a_csv_are_counted_below_its_header(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    header = ",".join(OWN)
    path.write_text(f"{header}\np1,1767225700,c1,t1,5,EUR,pos\np2,1767225701,c1,t1,-5,EUR,pos\n")
    assert refusal(path) == ", row 2 below the header: amount -5 is negative."


def test_the_benchmarks_columns_are_called_by_their_own_names(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.csv"
    path.write_text("TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT\n1,2018-04-01 00:00:31,5,6,-1\n")
    assert refusal(path) == ", row 1 below the header: TX_AMOUNT -1 is negative."


def test_columns_that_are_read_over_are_never_decoded(write: Write) -> None:
    path = write(metadata=['{"note": "any"}'] * 3, ip=["10.0.0.1", "no address", None])
    assert len(load_transactions(path).table) == 3


def test_texts_may_be_stored_as_categories(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    columns = {name: pa.array(values) for name, values in OWN.items()}
    columns["customer_id"] = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), pa.array(["c2", "c1"]))
    pq.write_table(pa.table(columns), path, row_group_size=1)
    table = load_transactions(path).table
    assert [table.customer_id.text(row) for row in range(3)] == ["c2", "c1", "c1"]
    assert sorted(table.customer_id.names) == ["c1", "c2"]


def test_a_file_of_another_kind_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.parquet") == " does not exist or is not a file."
    assert refusal(tmp_path) == " does not exist or is not a file."
    for name in ("text.parquet", "text.json", "empty.csv", "ragged.csv"):
        (tmp_path / name).write_text({"empty.csv": "", "ragged.csv": "a,b\n1,2\n3\n"}.get(name, "hello"))
    assert "is not a readable parquet file" in refusal(tmp_path / "text.parquet")
    assert refusal(tmp_path / "text.json") == " is neither a .parquet nor a .csv file."
    assert "is not a readable csv file" in refusal(tmp_path / "empty.csv")
    assert refusal(tmp_path / "ragged.csv") == ", row 2 below the header: it has 1 fields, the header has 2."


def test_a_file_without_rows_is_refused(write: Write) -> None:
    assert refusal(write(**{name: pa.array([], pa.string()) for name in OWN})) == " holds no transactions."


def test_an_unwritable_file_is_reported_in_one_sentence(tmp_path: Path) -> None:
    table = simulate(customers=2, terminals=2, days=5, seed=1)
    with pytest.raises(DataError, match="cannot be written"):
        write_transactions(table, tmp_path / "missing" / "t.parquet")
