"""What every check of the entrance does; subclasses provide `make` and a decision store that it reads."""

from collections.abc import Callable
from secrets import token_hex

import pytest

from ml.stores.decisions.decisions import DecisionStore, Reply
from security.admission.admission import AdmissionOutcome, AdmissionPolicy, Bucket
from tests.contracts.admission import asked, policy
from tests.contracts.decision_store import new_decision
from web.entrance.batcher import Arrival, EntranceCheck

Make = Callable[[AdmissionPolicy], EntranceCheck]


class EntranceCheckContract:
    decisions: DecisionStore

    def record(self, *, fingerprint: str = "f" * 32) -> str:
        name = f"t-{token_hex(6)}"
        self.decisions.commit([new_decision(name, fingerprint=fingerprint)], Reply(f"r-{name}", "b", {}))
        return name

    def test_judges_in_order_as_if_one_came_after_another(self, make: Make) -> None:
        check, subject = make(policy(subject=Bucket(2, 1))), token_hex(4)
        repeated = asked(subject)
        arrivals = [repeated, repeated, asked(subject), asked(subject), asked(f"{subject}-other")]
        passages = check.judge([Arrival(request) for request in arrivals])
        assert [passage.admission.outcome for passage in passages] == [
            "admitted", "replayed", "admitted", "limited_subject", "admitted",
        ]  # fmt: skip
        assert [passage.admission.remaining for passage in passages] == [1, None, 0, 0, 1]

    def test_each_arrival_gets_the_records_of_its_own_transactions(self, make: Make) -> None:
        first, second, unknown = self.record(), self.record(fingerprint="0" * 32), token_hex(6)
        passages = make(policy()).judge(
            [
                Arrival(asked("a"), (unknown,)),
                Arrival(asked("a")),
                Arrival(asked("a"), (second, unknown, first)),
                Arrival(asked("a"), (first,)),
            ]
        )
        assert [list(passage.records) for passage in passages] == [[], [], [second, first], [first]]
        found = passages[2].records
        assert found[second].fingerprint == "0" * 32
        assert found[first].decision == {"transaction_id": first, "score": 0.5}

    def test_a_second_judgement_knows_the_signatures_of_the_first(self, make: Make) -> None:
        check, request = make(policy()), asked("a")
        assert check.judge([Arrival(request)])[0].admission.admitted
        assert check.judge([Arrival(request)])[0].admission.outcome is AdmissionOutcome.REPLAYED

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError
