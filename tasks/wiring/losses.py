"""Builds the jobs that notice when a Redis has lost data: of a scoring process, and of a web process."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml.stores.redis.cluster_redis import ClusterCommands
from observability import metrics
from security.messages.message_signer import MessageSigner
from security.safe_mode.safe_mode import SafeModeStore
from settings import Settings
from tasks.losses.dataset_identity_redis import DatasetIdentity, LossReports
from tasks.losses.dataset_memory import DatasetMemory, FileDatasetMemory, StateFile
from tasks.losses.dataset_name import FoundName, NameSeal
from tasks.losses.dataset_name_redis import RedisNamedData, cluster_data, server_data
from tasks.losses.lost_answers_redis import AnswersServer, LossReport, LostAnswers
from tasks.losses.recent_answers import RecentAnswers
from tasks.messaging.doorbells import send_doorbells
from tasks.services import provide
from tasks.upkeep.histories_reach import HistoriesReach
from tasks.upkeep.housekeeping import Job
from tasks.wiring.clients_redis import connect_redis_cluster
from tasks.wiring.connections import Connections, Policy
from tasks.wiring.stores import decision_store, feature_store

if TYPE_CHECKING:
    from ml.stores.features.features import FeatureStore

_PATIENCE_SECONDS = 1.0
"""As of `Policy.PROBE`: a silent server must not keep the housekeeping from the worker's sign of life."""

_THEN = "then switch SAFE MODE off."
_LOSSES = {
    "answers": "Redis has lost its data: answers not yet stored or published are gone, and the features with them. "
    f"Run `python -m ops outbox reconcile` and `python -m ops backfill --replace`, {_THEN}",
    "shared": "The Redis that all shards share has lost its data: labels not yet applied are gone, and the features "
    f"with them. Send the labels of the last minutes again, run `python -m ops backfill --replace`, {_THEN}",
    "features": f"The feature store has lost its data. Run `python -m ops backfill --replace`, {_THEN}",
}
_ALTERED = (
    "Somebody wrote over the name of the data in Redis, so that nobody can tell whether it is the same. Find out who, "
    "and act as if this were true: "
)
_OLD_COPY = (
    "Redis holds an old copy of its data: answers of more than the last minute are gone. "
    f"Run `python -m ops outbox reconcile` and `python -m ops backfill --replace`, {_THEN}"
)


def watch_for_losses(
    connections: Connections, switch: SafeModeStore, name: str, *, reach: HistoriesReach | None = None
) -> tuple[list[Job], Job]:
    """Returns the jobs of a scoring process, short ones and one that may take seconds; provides its `RecentAnswers`.

    Args:
        connections: of this process.
        switch: shuts scoring when data is lost; else it would go on with empty histories.
        name: this process, as the audit shows it.
        reach: learns which part of a feature store of its own answers.
    """
    settings = connections.settings
    recent = RecentAnswers()
    provide(RecentAnswers, recent)
    client = connections.redis(settings.delivery_url)
    answers = LostAnswers(
        AnswersServer(client, server_data(client, _name_seal(settings)), _histories_beside_answers(connections)),
        decision_store(connections),
        recent,
        file=_file(settings, "recent"),
        record_ttl_seconds=settings.decision_ttl_seconds,
        on_loss=partial(_report_answers, switch, name),
        send_doorbells=send_doorbells,
    )
    memories = {server: FileDatasetMemory(_file(settings, server)) for server in _servers(settings)}
    jobs = _identities(connections, memories, switch, name)
    if reach is not None and "features" in jobs:
        jobs["features"] = reach.watch(jobs["features"])
    return list(jobs.values()), answers.check


def watch_for_losses_from_mongo(connections: Connections, switch: SafeModeStore, name: str) -> list[Job]:
    """Returns the jobs of a web process: MongoDB remembers what the machines of the scoring workers may forget.

    It remembers per address, so that two installations may share a database; a server that was moved is missed by the
    files of the scoring workers. The feature store is left to these: a web process need not reach it.
    """
    from tasks.losses.dataset_memory_mongo import MongoDatasetMemory

    settings = connections.settings
    collection = connections.mongo()["datasets"]
    memories = {
        server: MongoDatasetMemory(collection, f"{settings.shard or 'main'}.{server}@{_address(url)}")
        for server, url in _servers(settings).items()
        if server != "features"
    }
    return list(_identities(connections, memories, switch, name).values())


def _histories_beside_answers(connections: Connections) -> "FeatureStore | None":
    """Returns the histories if the server of the answers holds them; another one's are not lost with the answers."""
    settings = connections.settings
    is_same = settings.feature_store_url == settings.delivery_url and not settings.feature_cluster_urls
    return feature_store(connections) if is_same else None


def _servers(settings: Settings) -> dict[str, str]:
    """Returns the URLs of the servers that hold data, each once: of answers, of what shards share, of histories."""
    urls = {"answers": settings.delivery_url, "shared": settings.redis_url, "features": settings.feature_store_url}
    return {name: url for place, (name, url) in enumerate(urls.items()) if url not in list(urls.values())[:place]}


def _identities(
    connections: Connections, memories: Mapping[str, DatasetMemory], switch: SafeModeStore, name: str
) -> dict[str, Job]:
    reports = loss_reports(connections)
    return {
        server: DatasetIdentity(
            data,
            memories[server],
            reports[server],
            partial(_declare_other_data, switch, name, _LOSSES[server]),
        ).check
        for server, data in named_data(connections).items()
        if server in memories
    }


def named_data(connections: Connections) -> dict[str, RedisNamedData]:
    """Returns the data that carries names by the server that holds it: answers, what shards share, histories."""
    return {server: _data(connections, url) for server, url in _servers(connections.settings).items()}


def loss_reports(connections: Connections) -> dict[str, LossReports]:
    """Returns the notes of which losses were reported, by the server that the losses are of."""
    settings = connections.settings
    own = connections.redis(settings.delivery_url, Policy.PROBE)
    seal = NameSeal(MessageSigner.from_settings(settings), "dataset.loss_reported")
    return {server: LossReports(own, seal, None if server == "answers" else server) for server in _servers(settings)}


def _data(connections: Connections, url: str) -> RedisNamedData:
    settings = connections.settings
    seal = _name_seal(settings)
    if url == settings.feature_store_url and (urls := settings.feature_cluster_urls):
        runner = ClusterCommands(
            lambda: connect_redis_cluster(settings, urls, timeout_seconds=_PATIENCE_SECONDS),
            patience_seconds=_PATIENCE_SECONDS,
        )
        return cluster_data(runner, seal)
    return server_data(connections.redis(url, Policy.PROBE), seal)


def _name_seal(settings: Settings) -> NameSeal:
    return NameSeal(MessageSigner.from_settings(settings), "dataset.name")


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or ''}:{parts.port or ''}{parts.path}"


def _file(settings: Settings, name: str) -> StateFile:
    return StateFile(settings.var_dir / "remembered" / f"{settings.shard or 'main'}.{name}.json")


def _declare_other_data(switch: SafeModeStore, name: str, reason: str, found: FoundName) -> None:
    _declare_loss(switch, name, f"{_ALTERED}{reason}" if found.is_altered else reason)


def _declare_loss(switch: SafeModeStore, name: str, reason: str) -> None:
    """Shuts scoring until an operator has looked; else it would go on with empty features."""
    switch.enable(reason, by=name)
    metrics.redis_data_lost_total.inc()


def _report_answers(switch: SafeModeStore, name: str, report: LossReport) -> None:
    metrics.redis_answers_restored_total.inc(report.restored)
    metrics.redis_answers_lost_total.inc(len(report.lost))
    metrics.redis_histories_unrestored_total.inc(report.unobserved)
    if report.is_old_copy:
        _declare_loss(switch, name, _OLD_COPY)
