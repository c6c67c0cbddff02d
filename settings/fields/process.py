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
    log_file_megabytes: int = Field(
        32, ge=1, le=10_000, description="Size at which a log file in VAR_DIR/log is put aside and begun anew."
    )
    log_older_files: int = Field(
        3, ge=0, le=100, description="How many log files put aside are kept beside the current one of each process."
    )
