"""The contract of every admission check; subclasses provide `make` and a decision store that it reads."""

from collections.abc import Callable
from secrets import token_hex

import pytest

from ml.stores.decisions.decisions import DecisionStore, Reply
from security.admission.admission import AdmissionOutcome, AdmissionPolicy, Bucket
from tests.contracts.admission import asked, policy
from tests.contracts.decision_store import new_decision
from web.entrance.batcher import AdmissionCall, AdmissionCheck

Make = Callable[[AdmissionPolicy], AdmissionCheck]


class AdmissionCheckContract:
    decisions: DecisionStore

    def record(self, *, fingerprint: str = "f" * 32) -> str:
        name = f"t-{token_hex(6)}"
        self.decisions.commit([new_decision(name, fingerprint=fingerprint)], Reply(f"r-{name}", "b", {}))
        return name

    def test_decides_in_order_as_if_one_came_after_another(self, make: Make) -> None:
        check, subject = make(policy(subject=Bucket(2, 1))), token_hex(4)
        repeated = asked(subject)
        requests = [repeated, repeated, asked(subject), asked(subject), asked(f"{subject}-other")]
        results = check.decide([AdmissionCall(request) for request in requests])
        assert [result.admission.outcome for result in results] == [
            "admitted", "replayed", "admitted", "limited_subject", "admitted",
        ]  # fmt: skip
        assert [result.admission.remaining for result in results] == [1, None, 0, 0, 1]

    def test_each_call_gets_the_records_of_its_own_transactions(self, make: Make) -> None:
        first, second, unknown = self.record(), self.record(fingerprint="0" * 32), token_hex(6)
        results = make(policy()).decide(
            [
                AdmissionCall(asked("a"), (unknown,)),
                AdmissionCall(asked("a")),
                AdmissionCall(asked("a"), (second, unknown, first)),
                AdmissionCall(asked("a"), (first,)),
            ]
        )
        assert [list(result.records) for result in results] == [[], [], [second, first], [first]]
        found = results[2].records
        assert found[second].fingerprint == "0" * 32
        assert found[first].decision == {"transaction_id": first, "score": 0.5}

    def test_a_second_round_trip_knows_the_signatures_of_the_first(self, make: Make) -> None:
        check, request = make(policy()), asked("a")
        assert check.decide([AdmissionCall(request)])[0].admission.admitted
        assert check.decide([AdmissionCall(request)])[0].admission.outcome is AdmissionOutcome.REPLAYED

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError
