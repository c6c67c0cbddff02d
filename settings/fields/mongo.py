"""MongoDB: the server, its database and its TLS."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class MongoSettings(BaseSettings):
    """Which MongoDB holds explanations, labels and audit."""

    mongo_url: str = Field("mongodb://127.0.0.1:27017/", description="MongoDB for explanations, labels and audit.")
    mongo_database: str = Field("shrike", description="Database name in MongoDB.")
    mongo_ca_file: Path | None = Field(
        None, description="PEM certificates that MongoDB is checked against; default: the system's."
    )
    mongo_certificate_file: Path | None = Field(
        None, description="PEM client certificate for MongoDB, with its private key in the same file."
    )
