"""The first data and model: simulated and trained once, used again by every later run."""

from pathlib import Path

import click

from ml.registry.registry import ModelRegistry
from ops.cli.steps import run_command
from ops.errors import StackError
from ops.first_model.source import LIVE_DAYS, SIMULATION, Days, Source, TrainedFor, load, models_folder, moment
from ops.stack.preconditions import ensure_keys
from settings import Environment, Settings


def ensure_data(source: Source) -> None:
    """Simulates the source's transactions unless an earlier run did, or the user brought them.

    Raises:
        ops.errors.OpsError: the simulator failed, and has printed why.
    """
    source.folder.mkdir(parents=True, exist_ok=True)
    if source.is_simulated and not source.file.exists():
        run_command(["simulate", "--out", str(source.file), *SIMULATION], {})


def ensure_model(source: Source, days: Days, settings: Settings) -> TrainedFor:
    """Returns the model of this data, trained now unless an earlier run did.

    Raises:
        ops.errors.OpsError: training failed, and has printed why.
    """
    trained = TrainedFor.read(source)
    if trained is not None and trained.still_serves(source, settings):
        click.echo(f"  {trained.version} was trained on this data by an earlier run")
        return trained
    return _train(source, days, settings, models_folder(source, settings))


def prepare(settings: Settings) -> None:
    """Makes keys and a first model on simulated history; existing ones stay.

    Raises:
        ml.domain.errors.MlError, ops.errors.OpsError: a step failed; the message is one sentence.
    """
    settings = ensure_keys(settings, click.echo)
    champion = ModelRegistry(settings.models_path).champion()
    if champion is not None:
        click.echo(f"Keys and model {champion} are there.")
        return
    if settings.environment is Environment.PRODUCTION:
        raise StackError(
            "ENVIRONMENT is production, and a model of simulated payments knows nothing of yours: train the first one "
            "by `python -m ops train --data FILE`."
        )
    source = Source.of(settings, None)
    ensure_data(source)
    _train(source, Days.of(load(source, settings)), settings, settings.models_path)


def proving_settings(settings: Settings) -> Settings:
    """Returns settings that lead to a model that benchmarks and faults may copy, and writes nothing of the user's.

    It is the installation's champion. Where there is none, one is trained in the folder of proving, once.

    Raises:
        ml.domain.errors.MlError, ops.errors.OpsError: a step failed; the message is one sentence.
    """
    settings = ensure_keys(settings, click.echo)
    source = Source.of_proving(settings)
    ensure_data(source)
    if ModelRegistry(settings.models_path).champion() is not None:
        return settings
    own = settings.model_copy(update={"model_dir": source.folder / "models"})
    if ModelRegistry(own.models_path).champion() is None:
        _train(source, Days.of(load(source, own)), own, own.models_path)
    return own


def _train(source: Source, days: Days, settings: Settings, models: Path) -> TrainedFor:
    options = ["--data", str(source.file), "--end", moment(days.data_end), "--evaluation-days", str(LIVE_DAYS)]
    run_command(["train", *options], {"MODEL_DIR": str(models)})
    registry = ModelRegistry(models)
    version = registry.newest()
    if version is None:
        raise StackError(f"Training left no model in {models}.")
    if registry.champion() != version:
        # A registry of the source's own, or an outdated model of an earlier run: see `models_folder`.
        registry.promote(version)
        click.echo(f"  {version} takes the place of an earlier run's model")
    trained = TrainedFor(models.absolute(), version, settings.artifact_key_id or "", source.fingerprint())
    trained.write(source)
    return trained
