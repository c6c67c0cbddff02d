"""MongoDB: the server, its database and its TLS."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from settings.mongo_urls import MongoUrl
from settings.server_urls import read_credentials, with_credentials


class MongoSettings(BaseSettings):
    """Which MongoDB holds explanations, labels and audit."""

    mongo_url: str = Field("mongodb://127.0.0.1:27017/", description="MongoDB for explanations, labels and audit.")
    mongo_database: str = Field(
        "shrike",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="Database name in MongoDB. A database in the path of MONGO_URL holds the user, if one is given.",
    )
    mongo_credentials_file: Path | None = Field(
        None, description="File with one line user:password, every character as it is, for a MONGO_URL that names none."
    )
    mongo_ca_file: Path | None = Field(
        None, description="PEM certificates that MongoDB is checked against; default: the system's."
    )
    mongo_certificate_file: Path | None = Field(
        None, description="PEM client certificate for MongoDB, with its private key in the same file."
    )

    @field_validator("mongo_url")
    @classmethod
    def _refuse_unreadable(cls, url: str) -> str:
        MongoUrl.parse(url)
        return url

    @model_validator(mode="after")
    def _use_mongo_credentials(self) -> Self:
        if self.mongo_credentials_file is not None:
            credentials = read_credentials("MONGO_CREDENTIALS_FILE", self.mongo_credentials_file)
            # Past the frozen model's own way, which would count an URL that nobody gave as one that was given.
            self.__dict__["mongo_url"] = with_credentials(self.mongo_url, credentials)
        return self

    @model_validator(mode="after")
    def _refuse_two_databases(self) -> Self:
        url = MongoUrl.parse(self.mongo_url)
        holds_user = url.has_credentials and (url.database == "admin" or "mongo_database" in self.model_fields_set)
        if url.database not in {"", self.mongo_database} and not holds_user:
            raise ValueError(
                f"MONGO_URL names the database {url.database}, and MONGO_DATABASE, the one that is used, is "
                f"{self.mongo_database}; set MONGO_DATABASE to the one you mean."
            )
        return self
