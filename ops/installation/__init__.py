"""What `make install` runs before there is an environment, as a file.

Imports the standard library and nothing of ours.
"""
