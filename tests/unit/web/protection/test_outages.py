from collections import Counter

from web.protection.outages import LONGEST_SECONDS, Outages


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def hints(outages: Outages, *, at_least: float = 1, route: str = "/score") -> Counter[int]:
    return Counter(outages.hint(route, at_least) for _ in range(400))


def test_clients_do_not_come_back_in_the_same_second() -> None:
    assert set(hints(Outages())) == {1, 2}
    spread = hints(Outages(), at_least=15)
    assert min(spread) >= 15
    assert max(spread) <= 23
    assert len(spread) >= 7


def test_hints_grow_with_the_outage_up_to_a_bound() -> None:
    clock = Clock()
    outages = Outages(clock=clock)
    shortest = []
    for _ in range(6):
        shortest.append(min(hints(outages)))
        clock.now += 40
    assert shortest == [1, 10, 20, 30, 30, 30]
    assert max(hints(outages)) <= 1.5 * LONGEST_SECONDS + 1


def test_one_success_ends_the_outage_of_its_route_alone() -> None:
    clock = Clock()
    outages = Outages(clock=clock)
    for route in ("/score", "/explanations"):
        outages.hint(route, 1)
    clock.now += 40
    outages.note_success("/score")
    assert min(hints(outages)) == 1
    assert min(hints(outages, route="/explanations")) == 10


def test_a_failure_after_a_long_silence_is_an_outage_of_its_own() -> None:
    clock = Clock()
    outages = Outages(clock=clock)
    outages.hint("/score", 1)
    clock.now += 121
    assert min(hints(outages)) == 1
