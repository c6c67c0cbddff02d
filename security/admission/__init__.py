"""A request is let in once, and only as fast as its subject and its device may send.

One Lua script; the in-memory adapter follows the same rules.
"""
