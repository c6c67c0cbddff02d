"""The addresses that a stack works with: recorded when it starts, and used by every command beside it.

A command works on the stack that runs in VAR_DIR. Without one it works on the servers that the settings name, and on
nothing at all if they name none: at the default addresses somebody else's servers may listen.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ops.errors import StackError
from ops.stack import state
from settings import Settings, load_settings
from settings.server_urls import read_credentials, without_credentials

_MODELS = ("model_dir", "mlflow_tracking_uri", "mlflow_experiment")
_RECORDED = (
    "redis_url",
    "broker_url",
    "feature_redis_url",
    "score_shard_urls",
    "score_shards_retiring",
    "mongo_url",
    "mongo_database",
    "kafka_bootstrap",
    "kafka_topic_scored",
    "kafka_topic_raw",
    *_MODELS,
)
"""What a command must share with a stack in order to work on the same data."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that a command works on.

    Attributes:
        title: for people.
        settings: any one of these names it.
        address: where it is, from the settings.
    """

    title: str
    settings: tuple[str, ...]
    address: Callable[[Settings], str]

    def setting(self, settings: Settings) -> str:
        """Returns the setting that leads to it, as the environment spells it."""
        return next((name for name in self.settings if name in settings.model_fields_set), self.settings[0]).upper()


REDIS = Server("Redis", ("redis_url",), lambda settings: settings.redis_url)
FEATURES = Server("the feature store", ("feature_redis_url", "redis_url"), lambda settings: settings.feature_store_url)
MONGO = Server("MongoDB", ("mongo_url",), lambda settings: f"{settings.mongo_url} ({settings.mongo_database})")
KAFKA = Server("Kafka", ("kafka_bootstrap",), lambda settings: settings.kafka_bootstrap)


def named_addresses(settings: Settings) -> dict[str, str]:
    """Returns the addresses that the settings name, as the environment of processes that shall use the same.

    Credentials that come from a file stay there: the next process may have another file.
    """
    return {
        name.upper(): _text(getattr(settings, name), settings)
        for name in _RECORDED
        if name in settings.model_fields_set
    }


def joined_settings(*servers: Server) -> Settings:
    """Returns the settings that lead a command to the running stack, else to the servers that are named; says which.

    Args:
        servers: those that the command works on.

    Raises:
        StackError: no stack runs and a server is not named, or the named ones are not the running stack's.
    """
    settings = load_settings()
    stack = state.read(settings.var_dir)
    other = None if stack is None else _first_difference(settings, stack)
    if stack is not None and other is None:
        settings, origin = _with_addresses(stack, _RECORDED), f"of the stack that runs in {settings.var_dir}"
    elif all(settings.model_fields_set.intersection(server.settings) for server in servers):
        named = _named(servers, settings)
        verb = "say" if " and " in named else "says"
        origin = f"as {named} {verb}" + (f", not the stack that runs in {settings.var_dir}" if other else "")
    elif other is not None:
        raise StackError(
            f"{other.upper()} is not that of the stack that runs in {settings.var_dir}: take it out to work on the "
            f"stack, or set {_names(servers)} to work elsewhere."
        )
    else:
        raise StackError(
            f"No stack runs in {settings.var_dir}, and the settings name no other: start one by `python -m ops up`, "
            f"or set {_names(servers)}."
        )
    places = " and ".join(f"{server.title} {without_credentials(server.address(settings))}" for server in servers)
    click.secho(f"Works on {places}, {origin}.", err=True, dim=True)
    return settings


def join_process(*servers: Server) -> None:
    """Puts the running stack's addresses into the environment of the program that this process becomes.

    Where every server is named, as by the stack itself and by compose, nothing is looked up.

    Raises:
        StackError: as `joined_settings`.
    """
    named = load_settings().model_fields_set
    if not all(named.intersection(server.settings) for server in servers):
        os.environ.update(named_addresses(joined_settings(*servers)))


def registry_settings() -> Settings:
    """Returns the settings that lead a command to the running stack's models, unless others are named."""
    settings = load_settings()
    stack = state.read(settings.var_dir)
    if stack is None:
        return settings
    return _with_addresses(stack, [name for name in _MODELS if name not in settings.model_fields_set])


def _with_addresses(stack: state.StackState, names: Sequence[str]) -> Settings:
    addresses: dict[str, Any] = {name: stack.env[name.upper()] for name in names if name.upper() in stack.env}
    return Settings(**addresses)


def _first_difference(settings: Settings, stack: state.StackState) -> str | None:
    """Returns the first setting that names another address than the stack's."""
    for name in _RECORDED:
        named = name in settings.model_fields_set
        if named and stack.env.get(name.upper()) != _text(getattr(settings, name), settings):
            return name
    return None


def _named(servers: tuple[Server, ...], settings: Settings) -> str:
    """Returns the settings that name the servers, each by the one that is set."""
    return " and ".join(dict.fromkeys(server.setting(settings) for server in servers))


def _names(servers: tuple[Server, ...]) -> str:
    return " and ".join(server.settings[0].upper() for server in servers)


def _text(value: object, settings: Settings) -> str:
    """Returns a value as the environment takes it."""
    if isinstance(value, Path):
        return str(value.absolute())
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    for name in ("redis_credentials_file", "mongo_credentials_file"):
        file: Path | None = getattr(settings, name)
        if file is not None:
            text = text.replace(f"//{read_credentials(name.upper(), file)}@", "//")
    return text
