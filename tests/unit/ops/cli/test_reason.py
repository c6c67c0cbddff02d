import click
import pytest
from click.testing import CliRunner

from ops.cli.reason import REASON
from ops.commands.credentials import revoke, token
from ops.commands.models import models, train

VERSION = "v20260101T000000-abcdef"
FORGED = "a\x1b[2J\ntoken  revoked"
COMMANDS = [
    (revoke.command, ["add", "token", "t"]),
    (token.command, ["--role", "metrics"]),
    (token.command, ["revoke", "t"]),
    (models.command, ["promote", VERSION]),
    (models.command, ["rollback", VERSION]),
    (train.command, ["--data", "history.csv"]),
]


@pytest.mark.parametrize(("command", "arguments"), COMMANDS)
@pytest.mark.parametrize("reason", [FORGED, "two\nlines", "\x9b2J", "right\u202eleft", "\udcff"])
def test_a_reason_that_would_forge_lines_is_refused_before_anything_is_done(
    command: click.Command, arguments: list[str], reason: str
) -> None:
    result = CliRunner().invoke(command, [*arguments, "--reason", reason])
    assert result.exit_code == 2
    assert "one line of printable characters" in result.output


def test_an_ordinary_reason_is_taken_as_it_is() -> None:
    for text in ("", "für Prometheus, „Nr. 7“", "模型异常"):
        assert REASON.convert(text, None, None) == text
