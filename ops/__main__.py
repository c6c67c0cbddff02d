"""`python -m ops`."""

from ops.terminal.cli import main

main()
