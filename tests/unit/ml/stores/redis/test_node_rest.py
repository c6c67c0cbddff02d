from ml.stores.redis.node_rest import REST_SECONDS, NodeRest


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_silent_node_rests_for_a_while_and_is_then_asked_again() -> None:
    clock = Clock()
    rest = NodeRest(clock)
    rest.note_failure("a", is_silent=True)
    assert rest.is_resting("a")
    assert not rest.is_resting("b")
    clock.now += REST_SECONDS
    assert not rest.is_resting("a")
    assert rest.is_doubtful("a")


def test_one_broken_connection_says_nothing_and_two_in_a_row_do() -> None:
    rest = NodeRest(Clock())
    rest.note_failure("a", is_silent=False)
    assert not rest.is_resting("a")
    rest.note_failure("a", is_silent=False)
    assert rest.is_resting("a")


def test_an_answer_ends_all_doubt() -> None:
    rest = NodeRest(Clock())
    rest.note_failure("a", is_silent=True)
    rest.note_answer("a")
    assert not rest.is_resting("a")
    assert not rest.is_doubtful("a")
