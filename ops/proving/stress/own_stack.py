"""A stack for one load: this machine's keys and model, servers and data of its own, no rate limit in the way."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from ops.cli.steps import say
from ops.first_model.training import prepare
from ops.proving.place import refuse_named_servers, reserved
from ops.proving.running_stack import running_stack
from ops.stack.preconditions import ensure_keys
from settings import Settings

_UNLIMITED = {"RATE_LIMIT_CAPACITY": "0", "TRANSACTION_RATE_LIMIT_CAPACITY": "0", "DEVICE_RATE_LIMIT_CAPACITY": "0"}


@contextmanager
def stack_of_its_own(
    settings: Settings, *, score_workers: int | None, web_processes: int | None
) -> Iterator[tuple[str, Settings]]:
    """Starts the stack and yields the API's address with settings that hold its keys; it ends with the block.

    Raises:
        ops.errors.OpsError: it did not start; the message names the cause.
    """
    refuse_named_servers(settings)
    say("Keys, model and a stack of its own")
    settings = ensure_keys(settings, click.echo)
    prepare(settings)
    folder = settings.var_dir / "stress"
    with reserved(folder):
        shutil.rmtree(folder, ignore_errors=True)
        # A copy: what a run does to its models concerns nobody else.
        shutil.copytree(settings.models_path, folder / "models")
        env = _UNLIMITED | {
            "MODEL_DIR": str((folder / "models").absolute()),
            "RATE_LIMIT_OVERRIDES": json.dumps({}),
            "WEB_PORT": "0",
            "METRICS_PORT_BASE": "0",
            "FLOWER_PORT": "0",
        }
        with running_stack(folder, env, options=_options(score_workers, web_processes)) as state:
            yield state.urls["api"], settings


def _options(score_workers: int | None, web_processes: int | None) -> Sequence[str]:
    options = {"--score-workers": score_workers, "--web-processes": web_processes}
    return [word for name, value in options.items() if value is not None for word in (name, str(value))]
