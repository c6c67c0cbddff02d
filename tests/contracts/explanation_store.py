"""What every explanation store must do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.domain.decision import Outcome
from ml.stores.explanations.explanation_cursor import encode_cursor
from ml.stores.explanations.explanations import ExplanationQuery, ExplanationStore, InvalidCursorError

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(
    transaction_id: str, *, minute: int = 0, customer_id: str = "c-1", decision: str = "approve"
) -> dict[str, Any]:
    scored_at = (START + timedelta(minutes=minute)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "transaction_id": transaction_id,
        "customer_id": customer_id,
        "decision": decision,
        "scored_at": scored_at,
        "score": 0.5,
        "explanation": {"bias": -1.5, "contributions": [{"feature": "amount", "contribution": 0.25}]},
    }


class ExplanationStoreContract:
    """Subclasses give an empty `store`."""

    store: ExplanationStore

    def ids(self, query: ExplanationQuery, **options: Any) -> list[str]:
        return [item["transaction_id"] for item in self.store.search(query, **options).items]

    def test_returns_what_was_stored(self) -> None:
        assert self.store.save([record("t-1")]) == {}
        assert self.store.find("t-1") == record("t-1")
        assert self.store.find("t-2") is None

    def test_returns_several_by_id_and_leaves_out_the_unknown(self) -> None:
        self.store.save([record("t-1"), record("t-2", minute=1), record("t-3")])
        assert self.store.find_many(["t-2", "never", "t-1"]) == {"t-1": record("t-1"), "t-2": record("t-2", minute=1)}

    def test_storing_again_changes_nothing(self) -> None:
        for _ in range(3):
            self.store.save([record("t-1"), record("t-2")])
        assert self.ids(ExplanationQuery()) == ["t-2", "t-1"]

    def test_a_record_without_an_explanation_never_replaces_a_full_one(self) -> None:
        full, repaired = record("t-1"), record("t-1") | {"explanation": None}
        assert self.store.save([repaired]) == {}
        assert self.store.find("t-1") == repaired
        for records in ([full], [repaired], [full, repaired]):
            assert self.store.save(records) == {}
            assert self.store.find("t-1") == full

    def test_nothing_may_be_stored_or_asked_for(self) -> None:
        assert self.store.save([]) == {}
        assert self.store.find_many([]) == {}
        assert self.store.existing([]) == set()

    def test_returns_which_ids_exist(self) -> None:
        self.store.save([record("t-1")])
        assert self.store.existing(["t-1", "t-2"]) == {"t-1"}

    def test_searches_by_customer_decision_and_time_newest_first(self) -> None:
        self.store.save(
            [
                record("t-1", minute=1),
                record("t-2", minute=2, decision="decline"),
                record("t-3", minute=3, customer_id="c-2", decision="decline"),
                record("t-4", minute=4, decision="decline"),
            ]
        )
        assert self.ids(ExplanationQuery()) == ["t-4", "t-3", "t-2", "t-1"]
        assert self.ids(ExplanationQuery(customer_id="c-1", decision=Outcome.DECLINE)) == ["t-4", "t-2"]
        window = ExplanationQuery(start=START + timedelta(minutes=2), end=START + timedelta(minutes=4))
        assert self.ids(window) == ["t-3", "t-2"]

    @pytest.mark.parametrize("page_size", [1, 2, 3, 7, 50])
    def test_pages_hold_everything_once_even_where_times_are_equal(self, page_size: int) -> None:
        self.store.save([record(f"t-{number}", minute=number // 3) for number in range(7)])
        seen: list[str] = []
        cursor = None
        while True:
            page = self.store.search(ExplanationQuery(), cursor=cursor, limit=page_size)
            seen += [item["transaction_id"] for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [f"t-{number}" for number in range(6, -1, -1)]

    @pytest.mark.parametrize("year", [1970, 2099])
    def test_searches_to_the_borders_of_the_times_that_the_api_lets_through(self, year: int) -> None:
        border = datetime(year, 1, 1, tzinfo=UTC)
        assert self.store.search(ExplanationQuery(start=border, end=border + timedelta(days=364))).items == ()

    @pytest.mark.parametrize(
        "cursor",
        [
            *("", "x", "!!!!", "bm90IGpzb24", "WzEsMl0", "é"),
            encode_cursor("yesterday", "t-1"),
            encode_cursor("0001-01-01T00:00:00+23:59", "t-1"),
            encode_cursor("9999-12-31T23:59:59-23:59", "t-1"),
            encode_cursor("2026-11-01T00:00:00", "t-1"),
        ],
    )
    def test_refuses_a_foreign_cursor(self, cursor: str) -> None:
        with pytest.raises(InvalidCursorError):
            self.store.search(ExplanationQuery(), cursor=cursor)
