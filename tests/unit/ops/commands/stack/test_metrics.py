from click.testing import CliRunner

from observability.metrics_document import document
from ops.commands.stack.metrics import command


def test_prints_the_document() -> None:
    result = CliRunner().invoke(command)
    assert result.exit_code == 0
    assert result.stdout == document()
