"""The command line itself: finding commands, turning failures into sentences, and what commands read and print.

Imports no command before it is named.
"""
