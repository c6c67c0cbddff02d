import threading
from dataclasses import replace

import pytest

from security.safe_mode.safe_mode import CachedSafeMode, SafeModeState
from security.safe_mode.safe_mode_memory import MemorySafeMode
from tests.unit.web.world import World
from web.http.errors import SafeModeError
from web.routing.safe_mode import refuse_in_safe_mode


class SlowSwitch(MemorySafeMode):
    """Takes its time at the first read."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def read(self) -> SafeModeState:
        self.go.wait(5)
        return super().read()


def test_the_first_requests_of_a_process_wait_for_the_first_read(world: World) -> None:
    switch = SlowSwitch()
    services = replace(world.services, safe_mode=CachedSafeMode(switch))
    outcomes: list[str] = []

    def ask() -> None:
        try:
            refuse_in_safe_mode(services)
            outcomes.append("scored")
        except SafeModeError:
            outcomes.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    switch.go.set()
    for thread in threads:
        thread.join(5)
    assert outcomes == ["scored"] * 8


def test_refuses_with_the_reason(world: World) -> None:
    world.safe_mode.enable("drill", "alice")
    with pytest.raises(SafeModeError) as refused:
        refuse_in_safe_mode(world.services)
    assert refused.value.reason == "drill"


def test_rules_let_requests_pass_if_the_policy_says_so(world: World) -> None:
    world.safe_mode.enable("drill", "alice")
    settings = world.settings.model_copy(update={"safe_mode_policy": "rules"})
    refuse_in_safe_mode(replace(world.services, settings=settings))
