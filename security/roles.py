"""Roles a caller can hold. A role implies no other: an admin is not a service."""

from enum import StrEnum


class Role(StrEnum):
    """What a token allows its subject to do."""

    ADMIN = "admin"
    SERVICE = "service"
    READ = "read"
