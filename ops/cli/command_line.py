"""The command line: finds commands by module name, and turns expected failures into one sentence.

A command's module is imported only when the command is named, so that an image that carries one role's
packages can run that role's command, and `--help` stays fast.
"""

import importlib
import importlib.util
import os
import pkgutil
import sys
from functools import cache
from pathlib import Path

import click

_COMMANDS = Path(__file__).parents[1] / "commands"
"""Not imported: each command imports this package."""


class LazyCommands(click.Group):
    """Group whose commands are the modules in the folders of `ops.commands`; underscores become dashes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Returns the command names in alphabetical order."""
        return sorted(_modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Imports and returns one command; None if there is none of this name."""
        module = _modules().get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Lists each command with its module's first sentence, importing no command."""
        rows = [(name, _summary(module)) for name, module in sorted(_modules().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@cache
def _modules() -> dict[str, str]:
    """Returns the dotted module of every command by the command's name."""
    return {
        module.name.replace("_", "-"): f"ops.commands.{folder.name}.{module.name}"
        for folder in pkgutil.iter_modules([str(_COMMANDS)])
        for module in pkgutil.iter_modules([str(_COMMANDS / folder.name)])
    }


def _summary(module: str) -> str:
    """Returns what the module's docstring says after the command's name."""
    import ast

    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""
    return docstring.partition("\n")[0].partition(": ")[2]


@click.group(cls=LazyCommands)
def shrike() -> None:
    """Shrike: realtime fraud scoring on Flask, Celery and Redis."""
    from settings.env_names import unknown_names

    for sentence in unknown_names():
        click.secho(f"Warning: {sentence}", fg="yellow", err=True)


def _keep_files_from_others() -> None:
    """Takes the rights of others off every file that this process and its children make.

    They hold customers' ids and payments: logs, histories, models, reports. The group keeps the user's own choice, so
    that a log collector may read.
    """
    os.umask(os.umask(0) | 0o007)


def main() -> None:
    """Runs the command line and exits; an expected failure is one line on standard error and exit code 1."""
    _keep_files_from_others()
    try:
        shrike(prog_name="python -m ops")
    except Exception as error:
        from ops.cli.failures import sentence

        text = sentence(error)
        if text is None:
            raise
        click.secho(text, fg="red", err=True)
        sys.exit(1)
