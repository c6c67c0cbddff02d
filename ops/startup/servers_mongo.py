"""Asks MongoDB whether a process could work with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from settings import Settings
from settings.server_urls import without_credentials
from tasks.wiring.clients_mongo import connect_mongo

_READ_MS = 3_000
_ALONE = (
    "is no replica set, so that a write which a majority acknowledged is one server's word; start mongod with "
    "--replSet, then rs.initiate()."
)


def ask_mongo(settings: Settings) -> Sequence[str]:
    """Returns a sentence for everything that keeps a process from working with MongoDB."""
    # Only roles that open it have the client's package.
    from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

    place = f"MONGO_URL: MongoDB at {without_credentials(settings.mongo_url)}"
    try:
        facts = _facts(settings)
    except OperationFailure:
        may = f"does not let this user read {settings.mongo_database}"
        return [f"{place} refuses the user or the password, or {may}; check MONGO_CREDENTIALS_FILE and the URL."]
    except ConfigurationError as error:
        return [f"MONGO_URL: MongoDB's client refuses it ({error}); correct it."]
    except (PyMongoError, OSError) as error:
        way_out = "start it, or correct MONGO_URL and the MONGO_…_FILE settings"
        return [f"{place} does not answer ({type(error).__name__}); {way_out}."]
    return [] if is_replicated(facts) else [f"{place} {_ALONE}"]


def is_replicated(facts: Mapping[str, Any]) -> bool:
    """Returns whether a server says that it is a member of a replica set, or a router to several.

    >>> [is_replicated(facts) for facts in ({"setName": "rs0"}, {"msg": "isdbgrid"}, {"isWritablePrimary": True})]
    [True, True, False]
    """
    return bool(facts.get("setName")) or facts.get("msg") == "isdbgrid"


def _facts(settings: Settings) -> dict[str, Any]:
    """Returns what the primary says of itself, after a read that takes the rights of this user."""
    database = connect_mongo(settings)
    try:
        facts: dict[str, Any] = database.client.admin.command("hello")
        database["audit"].find_one({}, {"_id": 1}, max_time_ms=_READ_MS)
    finally:
        database.client.close()
    return facts
