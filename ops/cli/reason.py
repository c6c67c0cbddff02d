"""The type of every `--reason`: it goes into the audit and into lists that other operators read."""

from typing import Final

import click

from security.names import is_line


class _Reason(click.ParamType[str]):
    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_line(value):
            self.fail("Say the reason in one line of printable characters, without line breaks or escapes.", param, ctx)
        return value


REASON: Final = _Reason()
