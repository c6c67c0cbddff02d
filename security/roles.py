"""Roles a caller can hold. A role implies no other: an admin is not a service."""

from enum import StrEnum


class Role(StrEnum):
    """One permission that a token gives its subject."""

    ADMIN = "admin"
    SERVICE = "service"
    READ = "read"
    METRICS = "metrics"
