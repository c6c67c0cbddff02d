"""The fields of the settings, one module per concern.

Each is a part of `settings.Settings`; nothing outside `settings` imports one.
"""
