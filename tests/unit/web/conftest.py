"""Fixtures of the web tests."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from security.keys import generate_secret
from settings import Settings
from tests.unit.web.world import HMAC_KEY, World, build_world


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        var_dir=tmp_path,
        jwt_secret=generate_secret(),
        hmac_key=HMAC_KEY,
        message_key=generate_secret(),
        score_timeout_ms=20_000,  # a busy machine decides nothing
        rate_limit_capacity=10_000,
        device_rate_limit_capacity=10_000,
    )


@pytest.fixture
def make_world(settings: Settings) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(*, changes: Mapping[str, Any] | None = None, **parts: Any) -> World:
        worlds.append(build_world(settings.model_copy(update=dict(changes or {})), **parts))
        return worlds[-1]

    yield make
    for world in worlds:
        world.services.admission.close(5)
        world.services.dispatcher.close(5)


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
