"""One module per command of `python -m ops`; each exposes a click command named `command`."""
