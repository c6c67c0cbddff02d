from pathlib import Path

import pytest

from ml.registry.registry import ModelRegistry
from ops.credentials.development_keys import make_development_keys
from ops.errors import StackError
from ops.first_model import training
from ops.first_model.source import Days, Source, TrainedFor, models_folder
from settings import Environment, Settings, load_settings

DAYS = Days(0, 1, 2)
VERSIONS = ("v20260101T000000-000001", "v20260101T000000-000002")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with keys, whose commands only note that they were called."""
    monkeypatch.chdir(tmp_path)
    make_development_keys(Path("var/keys"), replace=False)
    calls: list[str] = []

    def run_command(arguments: list[str], env: dict[str, str]) -> None:
        calls.append(arguments[0])
        if arguments[0] == "train":
            registry = ModelRegistry(Path(env["MODEL_DIR"]))
            add(registry, VERSIONS[len(calls) % 2])

    monkeypatch.setattr(training, "run_command", run_command)
    monkeypatch.setattr(training, "load", lambda *_: None)
    monkeypatch.setattr(Days, "of", lambda _: DAYS)
    return load_settings()


def add(registry: ModelRegistry, version: str) -> None:
    """Registers a version that only has a name; the first is promoted, as `train` does."""
    folder = registry.path / version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    if registry.champion() is None:
        registry.promote(version)


def test_proving_trains_beside_the_installation_and_only_once(settings: Settings) -> None:
    proving = training.proving_settings(settings)
    assert proving.models_path == Path("var/proving/models")
    assert ModelRegistry(proving.models_path).champion() is not None
    assert not settings.models_path.exists()
    version = ModelRegistry(proving.models_path).champion()
    again = training.proving_settings(settings)
    assert ModelRegistry(again.models_path).champion() == version


def test_proving_copies_the_installation_s_champion(settings: Settings) -> None:
    add(ModelRegistry(settings.models_path), VERSIONS[0])
    assert training.proving_settings(settings).models_path == settings.models_path


def test_production_gets_no_model_of_simulated_payments(settings: Settings) -> None:
    production = settings.model_copy(update={"environment": Environment.PRODUCTION})
    with pytest.raises(StackError, match="train the first one by `python -m ops train --data FILE`"):
        training.prepare(production)
    assert not settings.models_path.exists()


def test_a_demo_beside_a_model_that_serves_has_a_registry_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source.of(settings, None)
    assert models_folder(source, settings) == settings.models_path
    add(ModelRegistry(settings.models_path), VERSIONS[0])
    source.folder.mkdir(parents=True)
    TrainedFor(settings.models_path, VERSIONS[0], "key", {}).write(source)
    monkeypatch.setattr("ops.first_model.source.can_be_served", lambda *_: True)
    assert models_folder(source, settings) == source.folder / "models"
    monkeypatch.setattr("ops.first_model.source.can_be_served", lambda *_: False)
    assert models_folder(source, settings) == settings.models_path


def test_a_demo_s_own_registry_takes_the_model_of_the_present_data(settings: Settings) -> None:
    source = Source.of(settings, Path("mine.csv"))
    Path("mine.csv").write_text("")
    registry = ModelRegistry(source.folder / "models")
    add(registry, "v20250101T000000-000001")
    trained = training.ensure_model(source, DAYS, settings)
    assert registry.champion() == trained.version != "v20250101T000000-000001"
