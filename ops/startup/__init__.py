"""What is looked at before a command becomes another program.

May touch `security`, `ml.stores` and `settings`.
"""
