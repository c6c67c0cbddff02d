"""Where the demo's stack keeps its data, so that `make up` has the demo's decisions without touching anybody's own."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from ops.first_model.source import Source
from ops.stack import state
from ops.stack.data_folder import clear_data, data_folder, is_left_by_demo, mark_left_by_demo
from settings import Settings

_SERVERS = frozenset({"redis_url", "mongo_url", "kafka_bootstrap"})


@dataclass(frozen=True)
class Place:
    """The folder of the demo's stack.

    Attributes:
        folder: the stack's `VAR_DIR`.
        models: its model registry.
        is_shared: whether it is the `VAR_DIR` of `make up`.
    """

    folder: Path
    models: Path
    is_shared: bool

    @classmethod
    def of(cls, source: Source, settings: Settings, *, models: Path) -> "Place":
        """Returns the place: that of `make up`, if nothing there is the user's own, else the source's folder.

        What is there is the user's own from the moment that a stack was started on it for anything but a demo.
        """
        is_free = not data_folder(settings.var_dir).exists() or is_left_by_demo(settings.var_dir)
        is_shared = (
            source.is_simulated
            and is_free
            and models.absolute() == settings.models_path.absolute()
            and not _SERVERS & settings.model_fields_set
            and state.read(settings.var_dir) is None
        )
        return cls(settings.var_dir if is_shared else source.folder, models, is_shared)

    def clear(self) -> None:
        """Deletes what an earlier demo left in the embedded servers; one that the user named keeps what it holds."""
        clear_data(self.folder)

    def leave(self) -> None:
        """Marks the data as a demo's, which the next demo may replace."""
        if self.is_shared:
            mark_left_by_demo(self.folder)

    def command(self) -> str:
        """Returns the command that starts the same stack again, with what the demo decided."""
        models = "" if self.is_shared else f"MODEL_DIR={shlex.quote(str(self.models))} "
        return f"{self._folder_setting()}{models}make up"

    def request(self, path: str) -> str:
        """Returns the command that asks that stack for something."""
        return f"{self._folder_setting()}python -m ops request GET {path}"

    def _folder_setting(self) -> str:
        return "" if self.is_shared else f"VAR_DIR={shlex.quote(str(self.folder))} "
