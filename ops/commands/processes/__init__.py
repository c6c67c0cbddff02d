"""Commands that become one process of the platform."""
