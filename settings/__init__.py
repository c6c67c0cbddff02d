"""Every setting of every process, read once from the environment: fields by concern, and the rules of production.

Values come from, in rising priority: the defaults, the development key file that `python -m ops keys` writes
(`var/keys/dev.env`), a `.env` file in the working directory, the process environment. Nothing else in the project
reads the environment; this package imports nothing else of the project.
"""

from settings.fields.process import DEVELOPMENT_MARK, Environment
from settings.settings import DEVELOPMENT_ENV_FILE, Settings, asked_environment, environment_word, load_settings
from settings.topology import ScoringTopology

__all__ = [
    "DEVELOPMENT_ENV_FILE",
    "DEVELOPMENT_MARK",
    "Environment",
    "ScoringTopology",
    "Settings",
    "asked_environment",
    "environment_word",
    "load_settings",
]
