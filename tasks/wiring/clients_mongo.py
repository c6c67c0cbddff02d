"""Makes MongoDB clients."""

from typing import TYPE_CHECKING, Any

from settings import Settings
from settings.production_connections import refuse_connections

if TYPE_CHECKING:
    from pymongo.database import Database

_TIMEOUT_MS = 5_000


def connect_mongo(settings: Settings) -> "Database[dict[str, Any]]":
    """Returns the MongoDB database, with acknowledged and journaled writes; it connects at its first use.

    Raises:
        SettingsRefusedError: production refuses the connection.
    """
    from pymongo import MongoClient

    refuse_connections(settings, {"mongo_url"})

    client: MongoClient[dict[str, Any]] = MongoClient(
        settings.mongo_url,
        w="majority",
        journal=True,
        tz_aware=True,
        connect=False,
        appname="shrike",
        serverSelectionTimeoutMS=_TIMEOUT_MS,
        connectTimeoutMS=_TIMEOUT_MS,
        socketTimeoutMS=4 * _TIMEOUT_MS,
        **_transport(settings),
    )
    return client[settings.mongo_database]


def _transport(settings: Settings) -> dict[str, Any]:
    files = {"tlsCAFile": settings.mongo_ca_file, "tlsCertificateKeyFile": settings.mongo_certificate_file}
    return {name: str(path) for name, path in files.items() if path is not None}
