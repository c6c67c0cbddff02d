"""Breaks every part of a running platform on purpose and counts what that costs its clients."""
