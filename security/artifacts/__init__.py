"""Keys of model artifacts: whose signatures are trusted, how files are sealed.

May touch `settings` and the errors of `security`.
"""
