"""Scoring spread over several Redis servers."""

import re
from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from settings.fields.redis import RedisSettings
from settings.redis_urls import one_server
from settings.server_urls import with_credentials


class ShardSettings(RedisSettings):
    """The shards of scoring, and the one that a process belongs to."""

    score_shard_urls: dict[str, str] = Field(
        default_factory=dict,
        description="Spreads scoring over several Redis servers, each with the queues, decision records and outbox of "
        'its customers: JSON, URL by name, such as {"s1": "redis://10.0.0.1:6379/0", "s2": "redis://10.0.0.2:6379/0"}. '
        "A name stays with its server for ever. REDIS_URL keeps the data that all share; see docs/capacity.md.",
    )
    score_shards_retiring: list[str] = Field(
        default_factory=list, description="Shards that get no new transactions and only answer retries, JSON."
    )
    shard: str | None = Field(
        None, description="The shard that this worker or beat belongs to; a web process belongs to none."
    )

    @property
    def delivery_url(self) -> str:
        """Where this process's queues, decision records and outbox are: on its shard, or on REDIS_URL."""
        return self.score_shard_urls[self.shard] if self.shard else self.redis_url

    @property
    def celery_broker_url(self) -> str:
        """Celery's broker."""
        return self.delivery_url if self.shard else self.broker_url or self.redis_url

    @field_validator("score_shard_urls")
    @classmethod
    def _one_server_each(cls, urls: dict[str, str]) -> dict[str, str]:
        for name in urls:
            if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
                raise ValueError("SCORE_SHARD_URLS: the name of a shard is 1 to 32 of a-z, 0-9 and -.")
        return {name: one_server(f"SCORE_SHARD_URLS, shard {name},", url) for name, url in urls.items()}

    def _urls_with(self, credentials: str) -> dict[str, Any]:
        own = {shard: with_credentials(url, credentials) for shard, url in self.score_shard_urls.items()}
        return super()._urls_with(credentials) | {"score_shard_urls": own}

    @model_validator(mode="after")
    def _refuse_impossible_shards(self) -> Self:
        for problem in self._shard_problems():
            raise ValueError(problem)
        return self

    def _shard_problems(self) -> Iterator[str]:
        shards = self.score_shard_urls
        if len(set(shards.values())) < len(shards):
            yield "SCORE_SHARD_URLS names one server twice; each shard needs its own."
        for setting, named in (("SHARD", [self.shard]), ("SCORE_SHARDS_RETIRING", self.score_shards_retiring)):
            if any(name is not None and name not in shards for name in named):
                yield f"{setting} names a shard that SCORE_SHARD_URLS does not: {', '.join(shards) or 'it names none'}."
        if shards and set(shards) <= set(self.score_shards_retiring):
            yield "SCORE_SHARDS_RETIRING names every shard; one must take the transactions."
