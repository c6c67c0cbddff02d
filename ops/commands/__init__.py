"""The commands of `python -m ops`, in folders by what they are about.

One module per command, each with a click command named `command`; the module's name is the command's.
"""
