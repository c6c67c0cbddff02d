"""`python -m ops models`: lists the model versions, promotes one, or goes back to the one before."""

import json
from dataclasses import asdict

import click

from ml.registry import ModelRegistry, RegistryState
from ml.release import open_version
from security.artifact_keys import ArtifactVerifier
from settings import load_settings

_SHOWN = ("average_precision", "auc", "brier")


@click.group()
def command() -> None:
    """Look after the model registry; scoring workers take over a new champion by themselves."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all figures.")
def list_versions(as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """List the versions, newest first."""
    versions = sorted(_registry().versions(), key=lambda info: info.version, reverse=True)
    if as_json:
        click.echo(json.dumps([asdict(info) for info in versions], indent=2, default=str))
        return
    if not versions:
        click.echo("There is no model yet; `python -m ops train` makes one.")
    for info in versions:
        figures = "  ".join(f"{name} {info.metrics[name]:.4f}" for name in _SHOWN if name in info.metrics)
        click.echo(f"{info.version}  {', '.join(info.aliases) or '-':<11} {figures}")


@command.command()
@click.argument("version")
def promote(version: str) -> None:
    """Make VERSION the champion, if it passes every check a scoring worker makes."""
    registry = _registry()
    open_version(version, registry=registry, verifier=ArtifactVerifier.from_settings(load_settings()))
    _say(registry.promote(version))


@command.command()
def rollback() -> None:
    """Make the champion before this one the champion again."""
    _say(_registry().rollback())


def _registry() -> ModelRegistry:
    return ModelRegistry(load_settings().models_path)


def _say(state: RegistryState) -> None:
    click.echo(f"The champion is {state.champion}; scoring workers load it within seconds.")
