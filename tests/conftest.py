"""Fixtures every test may use: real servers, once per test process, and one small trained model, once per run."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from xdist.remote import Producer

pytest.register_assert_rewrite("tests.contracts")  # before anything imports them

from ml.data.simulator import simulate
from ml.data.table import TransactionTable
from ml.model.gradient_boosting import BoostingSettings
from ml.serving.runtime import ScoringModel
from ml.training.train import TrainingSettings, train
from ml.training.trained_model import TrainedModel
from ml.training.window import TrainingWindow
from ops.embedded.kafka import kafka
from ops.embedded.mongo import mongo
from ops.embedded.valkey import valkey
from tests.scheduling import FileSchedule, is_alone
from tests.shared import once_per_run

# A busy machine must decide no test; all else stays as the environment's own profile has it.
hypothesis_settings.register_profile("untimed", parent=hypothesis_settings(), deadline=None)
hypothesis_settings.load_profile("untimed")

SLOW_FIXTURES = frozenset(
    {"trained", "hybrid", "measured", "components", "autoencoder", "sequence_model", "booster", "forest"}
)
"""Each trains a model or a part of one: a test that asks for one is slow, whatever it does itself."""


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks a test that needs a trained model as slow."""
    if not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        item.add_marker("slow")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that need the machine for themselves at the end."""
    items.sort(key=lambda item: is_alone(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileSchedule:
    """Shares the files out between the test processes of `-n`."""
    return FileSchedule(config, log)


@pytest.fixture(autouse=True)
def _logs_are_heard() -> None:
    """Takes back what earlier tests' commands and libraries did to this process's loggers."""
    logging.disable(logging.NOTSET)
    logging.root.setLevel(logging.WARNING)
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey of this test process alone; each test uses keys of its own."""
    with valkey(_folder(tmp_path_factory, "valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a MongoDB wire server of this test process alone; each test uses a database of its own."""
    with mongo(_folder(tmp_path_factory, "mongo")) as url:
        yield url


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of a mock Kafka of this test process alone; each test uses topics of its own."""
    with kafka(_folder(tmp_path_factory, "kafka")) as bootstrap:
        yield bootstrap


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name, numbered=True)


@pytest.fixture(scope="session")
def history() -> TransactionTable:
    """40 days of 200 customers."""
    return simulate(customers=200, terminals=300, days=40, seed=5)


@pytest.fixture(scope="session")
def quick_settings() -> TrainingSettings:
    """Settings that train in a few seconds, badly."""
    return TrainingSettings(
        seed=1,
        threads=1,
        boosting=BoostingSettings(trees=30, depth=4),
        autoencoder_epochs=1,
        sequence_epochs=1,
    )


@pytest.fixture(scope="session")
def window(history: TransactionTable) -> TrainingWindow:
    """20 days of training, 7 of waiting, 7 of evaluation."""
    return TrainingWindow.before(int(history.epoch_seconds[-1]) + 1, days=20)


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    history: TransactionTable,
    window: TrainingWindow,
    quick_settings: TrainingSettings,
) -> TrainedModel:
    """A really trained, small model."""
    return once_per_run(tmp_path_factory, "trained", lambda: train(history, window=window, settings=quick_settings))


@pytest.fixture
def model(trained: TrainedModel) -> ScoringModel:
    """The small model as a worker holds it."""
    return ScoringModel.from_files(trained.files(), version="v20260101T000000-abcdef", manifest_hash="0" * 64)
