"""The command line itself: finding commands, turning failures into sentences, showing progress.

Imports no command before it is named.
"""
