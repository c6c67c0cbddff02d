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
    Load,
    SubjectLimits,
)

Make = Callable[[AdmissionPolicy], AdmissionControl]


def policy(
    *,
    subject: Bucket = UNLIMITED,
    transactions: Bucket = UNLIMITED,
    device: Bucket = UNLIMITED,
    overrides: dict[str, Bucket] | None = None,
    replay_seconds: int = 270,
) -> AdmissionPolicy:
    own = {name: SubjectLimits(bucket, UNLIMITED) for name, bucket in (overrides or {}).items()}
    return AdmissionPolicy(SubjectLimits(subject, transactions), device, replay_seconds, own)


def asked(subject: str, *, device: str | None = None, replay: str | None = None) -> AdmissionRequest:
    return AdmissionRequest(subject, replay or token_hex(16), Load.of_one(device))


def batch(subject: str, *, transactions: int, devices: dict[str, int] | None = None) -> AdmissionRequest:
    return AdmissionRequest(subject, token_hex(16), Load(transactions, devices or {}, is_batch=True))


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

    def test_nobody_uses_up_the_signatures_of_another_subject(self, make: Make, subject: str) -> None:
        """Two clients that share a key and ask the same in the same second have the same digest."""
        control = make(policy())
        request = asked(subject)
        other = asked(f"{subject}-other", replay=request.replay_key)
        assert [answer.outcome for answer in control.admit([other, request])] == ["admitted", "admitted"]
        assert [answer.outcome for answer in control.admit([request, other])] == ["replayed", "replayed"]

    def test_a_replayed_request_takes_no_token(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(2, 1)))
        request = asked(subject)
        for _ in range(5):
            control.admit([request])
        assert control.admit([asked(subject)])[0].admitted
        assert not control.admit([asked(subject)])[0].admitted

    def test_a_limited_request_stays_usable_and_takes_no_token(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(1, 1)))
        control.admit([asked(subject)])
        limited = asked(subject)
        assert control.admit([limited])[0].outcome is AdmissionOutcome.LIMITED_SUBJECT
        assert control.admit([limited])[0].outcome is AdmissionOutcome.LIMITED_SUBJECT

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

    def test_a_batch_takes_one_token_of_requests_and_one_per_transaction(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(10, 1), transactions=Bucket(2000, 600)))
        answers = [control.admit([batch(subject, transactions=1000)])[0] for _ in range(3)]
        assert [answer.outcome for answer in answers] == ["admitted", "admitted", "limited_transactions"]
        assert [answer.remaining for answer in answers] == [9, 8, 0]
        assert (answers[2].limit, answers[2].retry_after_seconds) == (2000, 100)
        assert control.admit([AdmissionRequest(subject, token_hex(16))])[0].remaining == 7

    def test_single_transactions_and_batches_share_the_bucket_of_transactions(self, make: Make, subject: str) -> None:
        control = make(policy(transactions=Bucket(4, 0)))
        answers = control.admit([batch(subject, transactions=3), asked(subject), asked(subject)])
        assert [answer.outcome for answer in answers] == ["admitted", "admitted", "limited_transactions"]
        assert [answer.remaining for answer in answers] == [1, 0, 0]
        assert control.admit([AdmissionRequest(subject, token_hex(16))])[0].admitted

    def test_a_batch_limited_by_transactions_takes_nothing_and_stays_usable(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(5, 0), transactions=Bucket(10, 0), device=Bucket(10, 0)))
        device = f"d-{subject}"
        control.admit([batch(subject, transactions=4)])
        limited = batch(subject, transactions=7, devices={device: 7})
        assert [control.admit([limited])[0].outcome for _ in range(2)] == ["limited_transactions"] * 2
        rest = control.admit([batch(subject, transactions=6, devices={device: 6})])[0]
        assert (rest.admitted, rest.remaining, dict(rest.shortages)) == (True, 3, {})

    def test_a_batch_larger_than_the_bucket_needs_a_full_one_and_leaves_a_debt(self, make: Make, subject: str) -> None:
        control = make(policy(transactions=Bucket(10, 60)))
        answer = control.admit([batch(subject, transactions=25)])[0]
        assert (answer.admitted, answer.remaining, answer.reset_seconds) == (True, 0, 25)
        assert control.admit([asked(subject)])[0].retry_after_seconds == 16

    def test_a_device_limits_its_own_items_of_a_batch_and_no_others(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(9, 0), device=Bucket(3, 6)))
        busy, calm = f"d-{subject}-busy", f"d-{subject}-calm"
        assert control.admit([asked(subject, device=busy)])[0].admitted
        answer = control.admit([batch(subject, transactions=9, devices={busy: 5, calm: 3})])[0]
        assert (answer.admitted, answer.remaining) == (True, 7)
        assert {name: short.admitted for name, short in answer.shortages.items()} == {busy: 2}
        assert 9 <= answer.shortages[busy].retry_after_seconds <= 10
        again = control.admit([batch(subject, transactions=2, devices={busy: 1, calm: 1})])[0]
        assert {name: short.admitted for name, short in again.shortages.items()} == {busy: 0, calm: 0}
        assert control.admit([asked(subject, device=calm)])[0].outcome is AdmissionOutcome.LIMITED_DEVICE

    def test_batches_and_single_requests_of_one_call_keep_their_order(self, make: Make, subject: str) -> None:
        control = make(policy(subject=Bucket(99, 0), transactions=Bucket(99, 0), device=Bucket(2, 0)))
        one, two = f"d-{subject}-1", f"d-{subject}-2"
        answers = control.admit(
            [
                batch(subject, transactions=3, devices={one: 1, two: 1}),
                asked(subject, device=one),
                batch(subject, transactions=2, devices={two: 2}),
                asked(subject, device=one),
                asked(subject, device=two),
            ]
        )
        assert [answer.outcome for answer in answers] == ["admitted"] * 3 + ["limited_device"] * 2
        assert [dict(answer.shortages).keys() for answer in answers] == [set(), set(), {two}, set(), set()]

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
