"""What every admission control does; subclasses provide `make`, which builds one for a policy."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from secrets import token_hex

import pytest

from security.admission.admission import (
    UNLIMITED,
    AdmissionControl,
    AdmissionOutcome,
    AdmissionPolicy,
    AdmissionRequest,
    Bucket,
)

Make = Callable[[AdmissionPolicy], AdmissionControl]


def policy(
    *,
    subject: Bucket = UNLIMITED,
    device: Bucket = UNLIMITED,
    overrides: dict[str, Bucket] | None = None,
    replay_seconds: int = 270,
) -> AdmissionPolicy:
    return AdmissionPolicy(subject, device, replay_seconds, overrides or {})


def asked(subject: str, *, device: str | None = None, replay: str | None = None, cost: int = 1) -> AdmissionRequest:
    return AdmissionRequest(subject, replay or token_hex(16), device, cost)


class AdmissionContract:
    @pytest.fixture
    def subject(self) -> str:
        return f"subject-{token_hex(4)}"

    def test_admits_up_to_the_capacity_and_then_says_when_to_come_back(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(3, 60)))
        answers = [control.admit([asked(subject)])[0] for _ in range(4)]
        assert [answer.outcome for answer in answers] == ["admitted"] * 3 + ["limited_subject"]
        assert [answer.remaining for answer in answers] == [2, 1, 0, 0]
        assert {answer.limit for answer in answers} == {3}
        assert answers[-1].retry_after_seconds == 1
        assert answers[0].retry_after_seconds == 0
        assert answers[-1].reset_seconds == 3

    def test_one_call_decides_a_list_as_if_one_after_another(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(2, 1)))
        other = f"{subject}-other"
        repeated = asked(subject)
        answers = control.admit([repeated, asked(other), repeated, asked(subject), asked(subject), asked(other)])
        assert [answer.outcome for answer in answers] == [
            "admitted", "admitted", "replayed", "admitted", "limited_subject", "admitted",
        ]  # fmt: skip

    def test_an_empty_list_gets_an_empty_answer(self, make: Make) -> None:
        assert make(policy()).admit([]) == []

    def test_a_signature_is_accepted_once(self, make: Make, subject: str) -> None:
        control = make(policy())
        request = asked(subject)
        assert control.admit([request])[0].admitted
        assert control.admit([request])[0].outcome is AdmissionOutcome.REPLAYED
        assert (
            control.admit([asked("somebody else", replay=request.replay_key)])[0].outcome is AdmissionOutcome.REPLAYED
        )

    def test_a_replayed_request_takes_no_token(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(2, 1)))
        request = asked(subject)
        for _ in range(5):
            control.admit([request])
        assert control.admit([asked(subject)])[0].admitted
        assert not control.admit([asked(subject)])[0].admitted

    def test_a_limited_request_stays_usable_and_takes_no_token(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(1, 1), overrides={"unlimited": UNLIMITED}))
        control.admit([asked(subject)])
        limited = asked(subject)
        assert control.admit([limited])[0].outcome is AdmissionOutcome.LIMITED_SUBJECT
        assert control.admit([limited])[0].outcome is AdmissionOutcome.LIMITED_SUBJECT
        assert control.admit([asked("unlimited", replay=limited.replay_key)])[0].admitted

    def test_a_request_limited_by_its_device_costs_its_subject_nothing(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(2, 1), device=Bucket(1, 1)))
        device = f"device-{subject}"
        assert control.admit([asked(subject, device=device)])[0].remaining == 1
        answer = control.admit([asked(subject, device=device)])[0]
        assert (answer.outcome, answer.limit, answer.remaining) == (AdmissionOutcome.LIMITED_DEVICE, 1, 0)
        assert control.admit([asked(subject)])[0].admitted

    def test_a_device_is_limited_over_all_its_users(self, make: Make, subject: str) -> None:
        control = make(policy(device=Bucket(2, 1)))
        answers = control.admit([asked(f"{subject}-{number}", device=f"d-{subject}") for number in range(3)])
        assert [answer.outcome for answer in answers] == ["admitted", "admitted", "limited_device"]

    def test_a_capacity_of_zero_means_no_limit(self, make: Make, subject: str) -> None:
        answers = make(policy()).admit([asked(subject, device="any") for _ in range(200)])
        assert all(answer.admitted and answer.limit is None and answer.remaining is None for answer in answers)

    def test_an_override_replaces_a_subjects_bucket(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(1, 1), overrides={subject: Bucket(3, 1), f"{subject}-free": UNLIMITED}))
        assert [control.admit([asked(subject)])[0].admitted for _ in range(4)] == [True, True, True, False]
        assert all(control.admit([asked(f"{subject}-free")])[0].admitted for _ in range(20))

    def test_a_cost_above_the_capacity_needs_a_full_bucket_and_leaves_a_debt(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(10, 60)))
        answer = control.admit([asked(subject, cost=25)])[0]
        assert (answer.admitted, answer.remaining, answer.reset_seconds) == (True, 0, 25)
        assert control.admit([asked(subject)])[0].retry_after_seconds == 16

    def test_without_a_signature_there_is_nothing_to_replay(self, make: Make, subject: str) -> None:
        control = make(policy())
        request = AdmissionRequest(subject, None)
        assert control.admit([request])[0].admitted
        assert control.admit([request])[0].admitted

    def test_concurrent_callers_share_one_bucket_exactly(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(50, 0)))
        numbers = count()

        def call(_: int) -> int:
            answers = control.admit([asked(subject, replay=f"{subject}-{next(numbers)}") for _ in range(5)])
            return sum(answer.admitted for answer in answers)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(call, range(40))) == 50

    def test_of_concurrent_copies_of_a_request_one_is_admitted(self, make: Make, subject: str) -> None:
        control = make(policy())
        request = asked(subject)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: control.admit([request])[0].outcome, range(40)))
        assert sorted(answers) == ["admitted"] + ["replayed"] * 39
