"""Checks of the project itself that no tool makes alone: `make security` runs them."""
