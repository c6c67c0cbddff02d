"""One platform with its servers behind proxies, for all faults."""

from collections.abc import Iterator

import pytest

from ml.training.trained_model import TrainedModel
from ops.proving.chaos.evidence.sinks import Evidence, gathering
from ops.proving.chaos.platform.stack import ChaosStack, chaos_stack
from tests.e2e.installation import make_home

SCORE_TIMEOUT_MS = "4000"
"""A request may wait while seven processes start on two busy cores: what is counted is failures, not speed."""


@pytest.fixture(scope="session")
def chaos(tmp_path_factory: pytest.TempPathFactory, trained: TrainedModel) -> Iterator[ChaosStack]:
    """The platform under test."""
    home = make_home(tmp_path_factory.mktemp("chaos"), trained)
    folder = home.folder / "var" / "chaos"
    changes = {"SCORE_TIMEOUT_MS": SCORE_TIMEOUT_MS}
    with chaos_stack(home.settings, folder, env=home.env, settings_changes=changes, directory=home.folder) as stack:
        yield stack


@pytest.fixture(scope="session")
def evidence(chaos: ChaosStack) -> Iterator[Evidence]:
    """What reaches the sinks."""
    with gathering(chaos.settings) as evidence:
        yield evidence
