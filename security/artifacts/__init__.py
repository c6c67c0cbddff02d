"""Keys of model artifacts: whose signatures are trusted, how files are encrypted.

May touch `settings` and the floor of `security`.
"""
