"""`python -m ops backfill`: computes the online feature state from history and loads it into Redis."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click

from ml.data.datasets import load_transactions
from ml.domain.errors import StoreUnavailableError
from ml.serving.backfill import count_entities, entity_states
from ml.stores.features.features import EntityState, FeatureStore
from ops.cli.redis_refusals import refusal_sentence
from ops.errors import OpsError
from ops.stack.addresses import FEATURES, joined_settings
from settings import Settings
from tasks.wiring.connections import Connections
from tasks.wiring.stores import feature_store

_STEP = 2_000


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="History: a .parquet or .csv file.")
@click.option(
    "--until", default=None, help="Moment of the state (UTC), as 2026-03-01 or 2026-03-01T12:00:00; default: all."
)
@click.option(
    "--replace", "replaces", is_flag=True, help="Overwrite the histories of customers and terminals that have one."
)
def command(data: Path, until: str | None, *, replaces: bool) -> None:
    """Fill the feature store from history, so that a new installation does not start blind.

    A customer or terminal that has a history already keeps it, unless --replace is given: what was scored since the
    file was written would be gone from it.
    """
    moment = None if until is None else _moment(until)
    settings = joined_settings(FEATURES)
    store = feature_store(Connections(settings))
    dataset = load_transactions(data, label_delay_days=settings.label_delay_days)
    if dataset.duplicates:
        click.echo(f"{dataset.duplicates:,} rows repeat a transaction id and are left out.")
    started = time.perf_counter()
    total = count_entities(dataset.table, moment)
    states = entity_states(dataset.table, moment)
    loaded = 0
    with click.progressbar(length=total, label=f"{len(dataset.table):,} transactions") as progress:
        for part in _parts(states):
            loaded += _load(store, part, settings, replaces=replaces)
            progress.update(len(part))
    seconds = time.perf_counter() - started
    click.echo(f"Loaded {loaded:,} customers and terminals in {seconds:.1f} s ({total / seconds:,.0f}/s).")
    if loaded < total:
        click.echo(f"{total - loaded:,} had a history already and keep it; --replace overwrites these too.")


def _load(store: FeatureStore, part: list[EntityState], settings: Settings, *, replaces: bool) -> int:
    try:
        return store.load(part, keep_existing=not replaces)
    except StoreUnavailableError as error:
        if refusal_sentence(error):
            raise
        setting = FEATURES.setting(settings)
        raise OpsError(f"Redis did not answer; is it running, and is {setting} right?") from error


def _parts(states: Iterator[EntityState]) -> Iterator[list[EntityState]]:
    while part := list(islice(states, _STEP)):
        yield part


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.ClickException(f"--until {text!r} is not a time such as 2026-03-01.") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
