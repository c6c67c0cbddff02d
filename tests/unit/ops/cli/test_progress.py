import io
from itertools import count

from ops.cli.progress import ProgressLine


def test_a_text_that_did_not_change_is_printed_once() -> None:
    output, seconds = io.StringIO(), count(10.0, 10.0)
    line = ProgressLine(output, clock=lambda: next(seconds))
    for text in ("one", "one", "two", "two"):
        line.show(text)
    line.finish()
    assert output.getvalue().splitlines() == ["  one", "  two"]


def test_the_same_text_is_printed_again_on_the_next_line() -> None:
    output, seconds = io.StringIO(), count(10.0, 10.0)
    line = ProgressLine(output, clock=lambda: next(seconds))
    line.finish("done")
    line.finish("done")
    assert output.getvalue().splitlines() == ["  done", "  done"]
