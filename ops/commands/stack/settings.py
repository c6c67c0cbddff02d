"""`python -m ops settings`: prints the settings in effect, or an example file that explains every one."""

import json
import re

import click
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from settings import Settings, load_settings

_HEADER = """\
# Settings of Shrike. Copy this file to .env and uncomment what differs from the default.
# Written by `python -m ops settings --example`; development keys come from `python -m ops keys`.
"""


@click.command()
@click.option("--example", is_flag=True, help="Print every setting with its meaning and default, as a .env file.")
def command(example: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Print the settings in effect; secrets are hidden."""
    click.echo(example_file() if example else _in_effect(load_settings()), nl=False)


def example_file() -> str:
    """Returns the content of `.env.example`."""
    blocks = [
        f"# {field.description}\n# {name.upper()}={_default(field)}\n" for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_HEADER, *blocks])


def _default(field: FieldInfo) -> str:
    """Returns the default as it would stand in the file; nothing where there is none."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)


def _in_effect(settings: Settings) -> str:
    lines = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        shown = "(hidden)" if isinstance(value, SecretStr) else _without_passwords(value)
        lines.append(f"{name.upper()}={'' if shown is None else shown}\n")
    return "".join(lines)


def _without_passwords(value: object) -> object:
    """Returns the value, a URL in it without its password."""
    return re.sub(r"(?<=//)([^/@:\s]*):[^/@\s]*@", r"\1:(hidden)@", str(value)) if "://" in str(value) else value
