"""A new champion while requests come in: nobody notices but by the version in the answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.registry.registry import ModelRegistry
from ops.proving.bench.start.swap import copy_of_champion
from security.artifacts.artifact_keys import ArtifactSigner
from tests.integration.web.conftest import RunningApi
from tests.integration.web.requests import SCORE, transaction
from tests.integration.workers.conftest import Works

CLIENTS = 4


@pytest.mark.usefixtures("score_worker")
def test_a_change_of_model_under_load_fails_no_request(works: Works, api: RunningApi) -> None:
    registry = ModelRegistry(works.settings.models_path)
    old, new = registry.champion(), copy_of_champion(registry, ArtifactSigner.from_settings(works.settings))
    is_swapped, give_up = threading.Event(), threading.Event()

    def send(_number: int) -> list[tuple[int, str | None]]:
        """Sends until somebody was answered by the new model, and then a few more."""
        answers: list[tuple[int, str | None]] = []
        left = 20
        with api.client() as client:
            while left and not give_up.is_set():
                answer = client.post(SCORE, transaction())
                version = answer.json().get("model_version")
                answers.append((answer.status, version))
                if version == new:
                    is_swapped.set()
                left -= is_swapped.is_set()
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        sent = [pool.submit(send, number) for number in range(CLIENTS)]
        registry.promote(new)
        if not is_swapped.wait(30):
            give_up.set()
        answers = [answer for future in sent for answer in future.result()]
    assert is_swapped.is_set(), "the worker did not load the new champion"
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} <= {old, new}
    assert answers[-1][1] == new
