"""All settings in one frozen object, and how it is read."""

from pathlib import Path
from typing import Any, Self

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from settings.fields.delivery import DeliverySettings
from settings.fields.kafka import KafkaSettings
from settings.fields.model import ModelSettings
from settings.fields.mongo import MongoSettings
from settings.fields.operations import OperationsSettings
from settings.fields.process import Environment, ProcessSettings
from settings.fields.scoring import ScoringSettings
from settings.fields.security import SecuritySettings
from settings.fields.shards import ShardSettings
from settings.fields.web import WebSettings
from settings.json_values import parse_value
from settings.problems import SettingsRefusedError, UnreadableFileError
from settings.production_rules import production_problems

DEVELOPMENT_ENV_FILE = Path("var/keys/dev.env")


class Settings(  # pydantic lists the fields of the last class first
    OperationsSettings,
    ModelSettings,
    DeliverySettings,
    ScoringSettings,
    SecuritySettings,
    WebSettings,
    KafkaSettings,
    MongoSettings,
    ShardSettings,
    ProcessSettings,
):
    """All settings. The environment variable of a field is its name in upper case."""

    model_config = SettingsConfigDict(
        env_file=(DEVELOPMENT_ENV_FILE, ".env"),
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        # No wait, window or limit can be infinite.
        allow_inf_nan=False,
        # Compose and Helm write a variable that nobody set as an empty one.
        env_ignore_empty=True,
        # The fields' own validator answers malformed JSON with a sentence, and duplicate names too.
        enable_decoding=False,
        # An error message with the value in it might show a key.
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _take_blank_as_unset(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in data.items() if not (isinstance(value, str) and not value.strip())}

    @field_validator("*", mode="before")
    @classmethod
    def _read_json(cls, value: Any, field: ValidationInfo) -> Any:
        takes_json = cls.model_fields[str(field.field_name)].default_factory is not None
        return parse_value(value) if takes_json and isinstance(value, str) else value

    @model_validator(mode="after")
    def _refuse_two_ways_of_scoring(self) -> Self:
        if self.score_shard_urls and self.use_local_inference:
            raise ValueError(
                "USE_LOCAL_INFERENCE scores in the web process and SCORE_SHARD_URLS on shards; choose one."
            )
        return self

    @model_validator(mode="after")
    def _refuse_insecure_production(self) -> Self:
        if self.environment is Environment.PRODUCTION and (problems := production_problems(self)):
            raise SettingsRefusedError(problems)
        return self


class _AskedEnvironment(BaseSettings):
    model_config = Settings.model_config

    environment: str = Environment.DEVELOPMENT.value


def environment_word() -> str:
    """Returns the value of ENVIRONMENT as it is written, whether or not there is such an environment."""
    return _AskedEnvironment().environment


def asked_environment() -> Environment:
    """Returns the environment that is asked for, also where production refuses all else."""
    try:
        return Environment(environment_word())
    except ValueError:
        return Environment.DEVELOPMENT


def load_settings() -> Settings:
    """Reads the settings from the environment and the env files.

    Raises:
        pydantic.ValidationError: a value is malformed, or production refuses it.
        UnreadableFileError: an env file is no text.
    """
    try:
        return Settings()  # type: ignore[call-arg,unused-ignore]
    except UnicodeDecodeError as error:
        raise UnreadableFileError("An env file is not UTF-8 text: var/keys/dev.env or .env.") from error
