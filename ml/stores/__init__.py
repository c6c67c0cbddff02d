"""Stores: a Protocol, an in-memory adapter and a real adapter each; Lua scripts in `lua/`."""
