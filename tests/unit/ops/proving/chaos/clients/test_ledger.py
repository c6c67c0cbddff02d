from ops.proving.chaos.clients.ledger import Attempt, Fate, Ledger, Sent


def sent(name: str, *attempts: tuple[float, int | None], ledger: Ledger | None = None) -> Sent:
    one = Sent(name, b"{}")
    for started_at, status in attempts:
        one.note(Attempt(started_at, 0.1, status), {"decision": "approve"} if status == 200 else None)
    if ledger is not None:
        ledger.open(one)
    return one


def test_an_answer_makes_a_transaction_acknowledged_for_good() -> None:
    assert sent("a", (1.0, 503), (2.0, 200), (3.0, 503)).fate is Fate.ACKNOWLEDGED
    assert sent("a", (1.0, 200), (2.0, 409)).fate is Fate.ACKNOWLEDGED


def test_what_may_pass_leaves_it_open_and_what_may_not_refuses_it() -> None:
    assert sent("a", (1.0, 503), (2.0, 504), (3.0, 429), (4.0, None)).fate is Fate.PENDING
    assert sent("a", (1.0, 503), (2.0, 422)).fate is Fate.REFUSED
    assert sent("a", (1.0, 500)).fate is Fate.REFUSED


def test_recovery_ends_with_the_last_arrival_that_met_a_failure() -> None:
    ledger = Ledger()
    sent("before", (1.0, 503), (9.0, 503), ledger=ledger)  # its retry is no arrival
    sent("after", (12.5, 503), (14.0, 200), ledger=ledger)
    sent("fine", (13.0, 200), ledger=ledger)
    assert ledger.recovery_seconds(10.0) == 2.5
    assert ledger.recovery_seconds(13.0) == 0.0
    assert ledger.answered_since(12.9) == 2


def test_answers_count_in_the_stretch_in_which_they_came() -> None:
    ledger = Ledger()
    sent("too early", (1.0, 200), ledger=ledger)
    sent("began before", (9.95, 200), ledger=ledger)
    sent("refused at first", (11.0, 503), (12.0, 200), ledger=ledger)
    sent("in the gap", (15.0, 200), ledger=ledger)
    sent("in the second", (21.0, 200), ledger=ledger)
    assert ledger.answers_per_second([(10.0, 14.0), (20.0, 22.0)]) == 0.5
