"""What the env file of production must hold before its keys are handed out: each user's keys, and no misspelt name."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ops.errors import OpsError
from settings.env_names import unknown_names_in

_MESSAGES = ("MESSAGE_KEY",)
_LOADS_MODELS = (
    ("ARTIFACT_TRUST_FILE", "ARTIFACT_VERIFY_KEY_FILE"),
    ("ARTIFACT_KEY_ID",),
    ("ARTIFACT_ENCRYPTION_KEY",),
)

MANDATORY: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "web": (
        ("JWT_SECRET", "JWT_PUBLIC_KEY_FILE", "JWT_JWKS_URL", "JWT_JWKS_FILE"),
        ("HMAC_KEY", "HMAC_KEYS_FILE"),
        _MESSAGES,
    ),
    "score": (_MESSAGES, *_LOADS_MODELS),
    "drains": (_MESSAGES,),
    "trainer": (_MESSAGES, *_LOADS_MODELS, ("ARTIFACT_SIGNING_KEY_FILE",)),
    "beat": (_MESSAGES,),
    "flower": (("FLOWER_PASSWORD",),),
}
"""By Redis user, what its processes do not start without; of each group one is enough."""


def refuse_incomplete(env_file: Path, values: Mapping[str, str]) -> None:
    """Returns if each kind of process would get its keys.

    Args:
        env_file: of production.
        values: in it, those that are not empty.

    Raises:
        OpsError: a name is no setting, or a key is missing; the message names all of them.
    """
    problems = [*unknown_names_in(env_file), *_missing(env_file, values)]
    if problems:
        raise OpsError(" ".join([*problems, "Nothing was handed out; correct the file, then repeat the command."]))


def _missing(env_file: Path, values: Mapping[str, str]) -> Iterator[str]:
    users: dict[tuple[str, ...], list[str]] = {}
    for user, groups in MANDATORY.items():
        for group in groups:
            if not any(values.get(name) for name in group):
                users.setdefault(group, []).append(user)
    for group, without in users.items():
        yield f"{env_file} sets no {' or '.join(group)}, without which these do not start: {', '.join(without)}."
