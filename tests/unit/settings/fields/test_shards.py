from typing import Any

import pytest
from pydantic import ValidationError

from settings import ScoringTopology, Settings

SHARDS = {"s1": "redis://one:6379/0", "s2": "redis://two:6379/0"}


def sharded(**changes: Any) -> Settings:
    return Settings(_env_file=None, redis_url="redis://shared:6379/0", **({"score_shard_urls": SHARDS} | changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"score_shard_urls": {"S 1": "redis://one/0"}}, "the name of a shard is 1 to 32 of"),
        ({"score_shard_urls": {"s1": "redis+cluster://one:1"}}, "shard s1, names a cluster"),
        ({"score_shard_urls": {"s1": "redis://one/0", "s2": "redis://one/0"}}, "names one server twice"),
        ({"score_shard_urls": {"s1": "redis://one/2", "s2": "redis://one?db=2"}}, "names one server twice"),
        ({"shard": "s3"}, "SHARD names a shard that SCORE_SHARD_URLS does not: s1, s2"),
        ({"score_shards_retiring": ["s3"]}, "SCORE_SHARDS_RETIRING names a shard that"),
        ({"score_shards_retiring": ["s1", "s2"]}, "names every shard"),
        ({"use_local_inference": True}, "choose one"),
    ],
)
def test_shards_that_make_no_sense_are_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        sharded(**changes)


def test_a_shard_s_process_has_its_queues_and_records_there_and_all_else_in_common() -> None:
    shared = sharded(score_shards_retiring=["s1"], broker_url="redis://broker:6379/0")
    assert (shared.delivery_url, shared.celery_broker_url) == ("redis://shared:6379/0", "redis://broker:6379/0")
    topology = ScoringTopology.from_settings(shared)
    assert (topology.open_shards, topology.width) == (("s2",), 1)
    own = topology.shards["s2"]
    assert (own.delivery_url, own.celery_broker_url) == (SHARDS["s2"], SHARDS["s2"])
    assert (own.redis_url, own.feature_store_url) == (shared.redis_url, shared.feature_store_url)


def test_scoring_is_not_sharded_unless_shards_are_named() -> None:
    plain = Settings(_env_file=None)
    topology = ScoringTopology.from_settings(plain)
    assert (plain.score_shard_urls, topology.open_shards, plain.shard) == ({}, (), None)
    assert (topology.is_sharded, topology.width, topology.outboxes) == (False, 1, (plain,))


def test_an_outbox_per_shard_stands_beside_the_one_that_may_still_hold_earlier_answers() -> None:
    topology = ScoringTopology.from_settings(sharded())
    assert (topology.is_sharded, topology.width) == (True, 2)
    assert [own.delivery_url for own in topology.outboxes] == ["redis://shared:6379/0", *SHARDS.values()]


def test_a_process_of_a_shard_sees_its_shard_alone() -> None:
    topology = ScoringTopology.from_settings(sharded(shard="s2"))
    assert (topology.is_sharded, topology.open_shards) == (False, ())
    assert [own.delivery_url for own in topology.outboxes] == [SHARDS["s2"]]
