"""`python -m ops`."""

from ops.cli.command_line import main

main()
