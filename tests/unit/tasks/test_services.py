import pytest

from tasks.services import ServiceMissingError, provide, require


class Lamp:
    pass


def test_returns_what_was_provided() -> None:
    lamp = Lamp()
    provide(Lamp, lamp)
    assert require(Lamp) is lamp


def test_says_what_the_worker_was_not_started_for() -> None:
    class Missing:
        pass

    with pytest.raises(ServiceMissingError, match="Missing"):
        require(Missing)
