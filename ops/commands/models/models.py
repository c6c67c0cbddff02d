"""`python -m ops models`: lists the model versions, shows the report of one, promotes one, or goes back."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from ml.registry.artifacts import load
from ml.registry.registry import ModelRegistry, OlderVersionError, RegistryState, UnknownVersionError
from ml.registry.release import open_version
from ml.training.tracking import REPORT_NAME
from ops.cli.reason import REASON
from ops.errors import OpsError
from ops.stack.addresses import MONGO, REDIS, joined_settings, registry_settings
from ops.stack.promotion import Promotion, account
from security.artifacts.artifact_keys import ArtifactVerifier
from settings import Settings

_SHOWN = ("average_precision", "auc", "brier")


@click.group()
def command() -> None:
    """Look after the model registry; scoring workers take over a new champion by themselves."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all figures.")
def list_versions(as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """List the versions, newest first."""
    registry = _registry(registry_settings())
    versions = sorted(registry.versions(), key=lambda info: info.version, reverse=True)
    if as_json:
        click.echo(json.dumps([asdict(info) for info in versions], indent=2, default=str))
        return
    if not versions:
        click.echo(f"There is no model yet in {registry.path}; `python -m ops train --data FILE` makes one.")
    for info in versions:
        figures = "  ".join(f"{name} {info.metrics[name]:.4f}" for name in _SHOWN if name in info.metrics)
        click.echo(f"{info.version}  {', '.join(info.aliases) or '-':<11} {figures}")


@command.command()
@click.argument("version")
@click.option("--reason", type=REASON, default="", help="Why; it goes into the audit.")
def promote(version: str, reason: str) -> None:
    """Make VERSION the champion, if it passes every check a scoring worker makes; audited before it counts."""
    settings = registry_settings()
    registry = _registry(settings)
    _require(version, registry)
    open_version(version, registry=registry, verifier=ArtifactVerifier.from_settings(settings))
    note = Promotion.look(settings).make(version, reason=reason)
    _say(registry.state())
    if note:
        click.secho(note, fg="yellow", err=True)


@command.command()
@click.argument("version")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=REPORT_NAME,
    show_default=True,
    help="File to write; one that exists is replaced.",
)
def report(version: str, out: Path) -> None:
    """Verify VERSION, decrypt its report and write it as a page for a browser."""
    settings = registry_settings()
    registry = _registry(settings)
    _require(version, registry)
    info = next((info for info in registry.versions() if info.version == version), None)
    if info is None:
        raise OpsError(
            f"The manifest of {version} cannot be read; restore {registry.directory(version)}, or train anew."
        )
    artifact = load(
        registry.directory(version),
        verifier=ArtifactVerifier.from_settings(settings),
        # Its own: a report stays readable when the code's features have moved on.
        feature_schema_hash=info.feature_schema_hash,
    )
    if REPORT_NAME not in artifact.files:
        raise OpsError(f"{version} was trained before versions had a report.")
    out.write_bytes(artifact.files[REPORT_NAME])
    click.echo(f"{out}: the report of {version}.")


@command.command()
@click.argument("version", required=False)
@click.option("--reason", type=REASON, required=True, help="Why; it goes into the audit.")
@click.option("--allow-older", is_flag=True, help="Accept that it is older than the last accepted version.")
def rollback(version: str | None, reason: str, allow_older: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Make VERSION, by default the champion before this one, the champion again; audited before it counts."""
    # Servers' clients, which looking at the registry does without.
    from tasks.wiring.connections import Connections
    from tasks.wiring.stores import model_administration

    settings = joined_settings(REDIS, MONGO)
    registry = _registry(settings)
    if version is not None:
        _require(version, registry)
    elif not registry.state().previous:
        raise OpsError(
            f"No version was champion before {registry.champion() or 'this moment'}, so there is nothing to roll back "
            "to; `python -m ops models list` shows the versions, and `python -m ops models promote VERSION` makes one "
            "the champion."
        )
    with Connections(settings) as connections:
        administration = model_administration(connections)
        try:
            _say(administration.roll_back(by=account(), reason=reason, version=version, allow_older=allow_older))
        except OlderVersionError as error:
            raise OpsError(f"{error}; --allow-older accepts it, and the audit will say so.") from error


def _registry(settings: Settings) -> ModelRegistry:
    path = settings.models_path
    if path.exists() and not path.is_dir():
        raise OpsError(f"{path} is no folder; MODEL_DIR must name the folder of the model versions.")
    if settings.model_dir is not None and not path.exists():
        raise OpsError(f"There is no folder {path}; set MODEL_DIR to the folder of the model versions, or take it out.")
    return ModelRegistry(path)


def _require(version: str, registry: ModelRegistry) -> None:
    try:
        registry.require(version)
    except UnknownVersionError as error:
        raise OpsError(
            f"There is no version {version} in {registry.path}; `python -m ops models list` shows those that there are."
        ) from error


def _say(state: RegistryState) -> None:
    click.echo(f"The champion is {state.champion}; scoring workers load it within seconds.")
