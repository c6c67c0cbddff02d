"""What SAFE MODE says after a loss."""

import pytest

from security.safe_mode.safe_mode import REASON_LIMIT
from security.safe_mode.safe_mode_memory import MemorySafeMode
from tasks.losses.dataset_name import FoundName
from tasks.wiring.losses import _LOSSES, _declare_other_data


@pytest.mark.parametrize("server", _LOSSES)
def test_an_altered_name_is_no_loss_for_certain_and_the_whole_way_out_is_said(server: str) -> None:
    switch = MemorySafeMode()
    _declare_other_data(switch, "score-1", _LOSSES[server], FoundName("ab" * 8, is_altered=True))
    reason = switch.read().reason
    assert reason.startswith("Somebody wrote over the name of the data")
    assert reason.endswith("then switch SAFE MODE off.")
    assert len(reason) <= REASON_LIMIT


def test_a_loss_is_said_as_such() -> None:
    switch = MemorySafeMode()
    _declare_other_data(switch, "score-1", _LOSSES["answers"], FoundName("ab" * 8))
    assert switch.read().reason == _LOSSES["answers"]
