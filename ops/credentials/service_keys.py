"""Each kind of process gets its own keys alone: a folder per kind, to be mounted in place of the folder with all keys.

An intruder in one container then has no key of another one's work: Flower signs no message, a drain verifies no token,
and only the trainer signs models.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from ops.credentials.development_keys import ENV_NAME, PRODUCTION_ENV_NAME, write_new_files
from ops.credentials.redis_users import ACCESS_LIST_NAME
from ops.credentials.redis_users import FOLDER_NAME as REDIS_FOLDER_NAME
from ops.errors import OpsError

FOLDER_NAME = "services"
SERVER = "valkey"
"""The Redis server's folder, which holds the access list."""

_MODELS = (
    "ARTIFACT_ENCRYPTION_KEY",
    "ARTIFACT_PREVIOUS_ENCRYPTION_KEY",
    "ARTIFACT_KEY_ID",
    "ARTIFACT_TRUST_FILE",
    "ARTIFACT_VERIFY_KEY_FILE",
)

NEEDS: Mapping[str, tuple[str, ...]] = {
    # The API checks a model before an administrator promotes it.
    "web": ("JWT_", "HMAC_", "MESSAGE_", *_MODELS),
    "score": ("MESSAGE_", *_MODELS),
    "drains": ("MESSAGE_",),
    "trainer": ("MESSAGE_", "ARTIFACT_SIGNING_KEY_FILE", *_MODELS),
    "beat": ("MESSAGE_",),
    "flower": ("FLOWER_",),
}
"""By Redis user, the beginnings of the names of the settings that its processes need."""


def needed(user: str, values: Mapping[str, str]) -> dict[str, str]:
    """Returns those of the settings that the processes of a Redis user need."""
    return {name: value for name, value in values.items() if name.startswith(NEEDS[user])}


def names_of_nobody(env_file: Path) -> list[str]:
    """Returns the names in an env file that no kind of process gets from it."""
    handed_out = {"REDIS_CREDENTIALS_FILE"}  # each gets its own
    values = {name: value for name, value in dotenv_values(env_file).items() if value and name not in handed_out}
    return sorted(set(values).difference(*(needed(user, values) for user in NEEDS)))


def hand_out_production_keys(folder: Path) -> Path:
    """Hands out the keys of production and returns the folder with a folder for each user.

    In each `production.env` every path is absolute and leads into the same folder, that of REDIS_CREDENTIALS_FILE too.
    So the folder is all a process needs, wherever it is started; one that is moved has to be made anew there.

    Raises:
        OpsError: as `hand_out_keys`.
    """
    hand_out_keys(folder.absolute(), env_name=PRODUCTION_ENV_NAME)
    return folder.absolute() / FOLDER_NAME


def hand_out_keys(folder: Path, *, env_name: str = ENV_NAME) -> None:
    """Writes `services/<user>` for every kind of process, with its own settings, key files and Redis credentials.

    It may be called again, after a rotation for example; what a kind no longer needs is removed from its folder.

    Args:
        folder: with all keys.
        env_name: of the env file, in this folder and in each of the others.

    Raises:
        OpsError: a file is missing or the folder cannot be written.
    """
    values = {name: value for name, value in dotenv_values(folder / env_name).items() if value}
    if not values:
        made = "" if env_name == ENV_NAME else " --production"
        raise OpsError(f"{folder / env_name} holds no keys; make them with `python -m ops keys{made}`.")
    redis = folder / REDIS_FOLDER_NAME
    try:
        for user in NEEDS:
            place, own = folder / FOLDER_NAME / user, needed(user, values)
            files = {name: Path(value).name for name, value in own.items() if name.endswith("_FILE")}
            if env_name == PRODUCTION_ENV_NAME:
                own |= {name: str(place / file) for name, file in files.items()}
                own["REDIS_CREDENTIALS_FILE"] = str(place / REDIS_FOLDER_NAME / user)
            lines = [f"# The keys of {user} alone, from those of the whole platform in {folder / env_name}."]
            contents = {env_name: "\n".join([*lines, *(f"{name}={value}" for name, value in own.items()), ""]).encode()}
            contents |= {file: (folder / file).read_bytes() for file in files.values()}
            shutil.rmtree(place, ignore_errors=True)
            write_new_files(place, contents, replace=True)
            write_new_files(place / REDIS_FOLDER_NAME, {user: (redis / user).read_bytes()}, replace=True)
        _hand_out_access_list(redis / ACCESS_LIST_NAME, folder / FOLDER_NAME / SERVER)
    except OSError as error:
        raise OpsError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _hand_out_access_list(source: Path, folder: Path) -> None:
    """Copies the access list, which holds no password that could be used, for a server that runs as another user."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    draft = folder / f".{ACCESS_LIST_NAME}"
    draft.write_bytes(source.read_bytes())
    draft.chmod(0o644)
    draft.replace(folder / ACCESS_LIST_NAME)
