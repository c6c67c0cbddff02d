"""Where a process runs, writes and logs."""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

DEVELOPMENT_MARK = "dev_"
"""Every secret and key id that `ops keys` makes starts with this; production refuses it."""


class Environment(StrEnum):
    """Where the process runs; production refuses every insecure choice."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ProcessSettings(BaseSettings):
    """The surroundings of every process."""

    environment: Environment = Field(Environment.DEVELOPMENT, description="development or production.")
    var_dir: Path = Field(Path("var"), description="Folder for everything the platform writes on local disk.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged.")
