"""Fixtures of the routing tests."""

from tests.unit.observability.conftest import log_lines

__all__ = ["log_lines"]
