"""Each kind of process gets its own keys alone: a folder per kind, to be mounted in place of the folder with all keys.

An intruder in one container then has no key of another one's work: Flower signs no message, a drain verifies no token,
and only the trainer signs models.
"""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from dotenv import dotenv_values

from ops.credentials.development_keys import ENV_NAME, PRODUCTION_ENV_NAME, write_new_files
from ops.credentials.env_lines import env_line
from ops.credentials.key_files import find_file, read_key_files
from ops.credentials.mandatory_keys import refuse_incomplete
from ops.credentials.redis_access_list import read_access_list
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

    It may be called again, after a rotation for example; what a kind no longer needs is removed from its folder. All
    is read before anything is written, and a file gives way to its successor at once: a process may start meanwhile.

    Args:
        folder: with all keys.
        env_name: of the env file, in this folder and in each of the others.

    Raises:
        OpsError: a file is missing, two of a kind have the same name, or the folder cannot be written.
    """
    contents = _contents(folder, env_name)
    redis = folder / REDIS_FOLDER_NAME
    try:
        credentials = {user: {user: (redis / user).read_bytes()} for user in NEEDS}
        access = (redis / ACCESS_LIST_NAME).read_bytes()
    except OSError as error:
        raise OpsError(f"{error.filename} cannot be read: {error.strerror}.") from error
    try:
        for user in NEEDS:
            place = folder / FOLDER_NAME / user
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new_files(place / REDIS_FOLDER_NAME, credentials[user], replace=True)
            write_new_files(place, contents[user], replace=True)
            _remove_others(place / REDIS_FOLDER_NAME, {user})
            _remove_others(place, {*contents[user], REDIS_FOLDER_NAME})
        _hand_out_access_list(access, folder / FOLDER_NAME / SERVER)
    except OSError as error:
        raise OpsError(f"{error.filename} cannot be written: {error.strerror}.") from error


def refuse_to_hand_out(folder: Path, *, env_name: str, renews_redis: bool) -> None:
    """Returns if the keys of a folder can be handed out once its access list was written anew.

    Args:
        folder: with all keys.
        env_name: of the env file in it.
        renews_redis: whether every Redis user is about to get a new password.

    Raises:
        OpsError: they cannot; nothing was written.
    """
    _contents(folder, env_name)
    redis = folder / REDIS_FOLDER_NAME
    listed = read_access_list(redis / ACCESS_LIST_NAME)
    for user in NEEDS:
        if not renews_redis and listed.digests.get(user) and not (redis / user).exists():
            raise OpsError(
                f"{redis / user} is missing, and {ACCESS_LIST_NAME} knows its password by digest alone; put the file "
                "back, or --force makes new passwords for everybody."
            )


def _contents(folder: Path, env_name: str) -> dict[str, dict[str, bytes]]:
    """Returns the files of each user's folder by name, the env file last: it is what makes the others count."""
    values = {name: value for name, value in dotenv_values(folder / env_name).items() if value}
    if not values:
        made = "" if env_name == ENV_NAME else " --production"
        raise OpsError(f"{folder / env_name} holds no keys; make them with `python -m ops keys{made}`.")
    if env_name == PRODUCTION_ENV_NAME:
        refuse_incomplete(folder / env_name, values)
    contents = {}
    for user in NEEDS:
        place, own = folder / FOLDER_NAME / user, needed(user, values)
        files = {name: find_file(folder, value) for name, value in own.items() if name.endswith("_FILE")}
        if env_name == PRODUCTION_ENV_NAME:
            own |= {name: str(place / file.name) for name, file in files.items()}
            own["REDIS_CREDENTIALS_FILE"] = str(place / REDIS_FOLDER_NAME / user)
        lines = [f"# The keys of {user} alone, from those of the whole platform in {folder / env_name}."]
        lines += [env_line(name, value) for name, value in own.items()]
        taken = frozenset({env_name, REDIS_FOLDER_NAME})
        contents[user] = read_key_files(files, taken=taken) | {env_name: "\n".join([*lines, ""]).encode()}
    return contents


def _remove_others(folder: Path, kept: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.name in kept:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _hand_out_access_list(content: bytes, folder: Path) -> None:
    """Copies the access list, which holds no password that could be used, for a server that runs as another user."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    draft = folder / f".{ACCESS_LIST_NAME}"
    draft.write_bytes(content)
    draft.chmod(0o644)
    draft.replace(folder / ACCESS_LIST_NAME)
