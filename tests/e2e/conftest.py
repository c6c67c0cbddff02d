"""The whole platform, started from nothing once for all end-to-end tests: keys, model, servers, every process."""

from collections.abc import Iterator

import pytest

from ml.training.trained_model import TrainedModel
from ops.processes.spawn import stop
from tests.e2e.installation import Home, Stack, make_home, start


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Gives each test the time that the platform takes to start beside other tests: any of them may be the first."""
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, trained: TrainedModel) -> Home:
    """A user's folder with keys and a small trained model."""
    return make_home(tmp_path_factory.mktemp("home"), trained)


@pytest.fixture(scope="session")
def stack(home: Home) -> Iterator[Stack]:
    """The whole platform, running."""
    stack = start(home)
    yield stack
    stop(stack.supervisor, grace_seconds=60)
