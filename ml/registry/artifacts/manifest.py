"""The manifest of a model version: a list of its content, in one canonical byte form that is signed.

Canonical means: compact JSON in UTF-8, keys sorted, files ordered by name. `Manifest.parse` accepts nothing
but the exact bytes that `Manifest.canonical` writes, so no two byte strings stand for one manifest.
"""

import base64
import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_serializer

from ml.domain.errors import ArtifactError
from security.names import ARTIFACT_KEY_ID

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"
SEALED_SUFFIX = ".sealed"

REQUIRED_FILES = frozenset(
    {
        "model.onnx",
        "features.json",
        "thresholds.json",
        "reference.json",
        "metrics.json",
        "training.json",
        "golden.json",
    }
)
"""Files without which no version is complete."""

VERSION = re.compile(r"v[0-9]{8}T[0-9]{6}-[0-9a-f]{6}", re.ASCII)

_FILE_NAME = r"^[a-z][a-z0-9_]{0,62}\.[a-z]{2,8}$"
_SHA256 = r"^[0-9a-f]{64}$"


class ArtifactFile(BaseModel):
    """One file: its sealed form on disk and its content.

    Attributes:
        name: name of the content; on disk the sealed form has `.sealed` behind it.
        size: bytes of the content.
        sha256: of the content.
        sealed_size: bytes on disk.
        sealed_sha256: of the bytes on disk.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=_FILE_NAME)]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=_SHA256)]
    sealed_size: Annotated[int, Field(ge=0)]
    sealed_sha256: Annotated[str, Field(pattern=_SHA256)]


class Manifest(BaseModel):
    """Everything about a model version except its files' bytes.

    Attributes:
        format: layout of the version directory.
        version: `vYYYYMMDDTHHMMSS-xxxxxx`, UTC time of creation and six random hex digits; sorts by creation.
        key_id: the key that signed this manifest.
        created_at: UTC.
        code_version: version of the code that trained.
        feature_schema_hash: of the features that the model expects.
        metrics: evaluation figures for listings, such as `average_precision`.
        wrapped_data_key: base64 of the wrapped key that sealed the files.
        files: ordered by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format: Literal[1]
    version: Annotated[str, Field(pattern=f"^{VERSION.pattern}$")]
    key_id: Annotated[str, Field(pattern=f"^{ARTIFACT_KEY_ID}$")]
    created_at: AwareDatetime
    code_version: Annotated[str, Field(max_length=100)]
    feature_schema_hash: Annotated[str, Field(pattern=_SHA256)]
    metrics: dict[Annotated[str, Field(max_length=100)], float]
    wrapped_data_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{1,200}={0,2}$")]
    files: tuple[ArtifactFile, ...]

    @field_serializer("created_at")
    def _render_created_at(self, value: datetime) -> str:
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def data_key(self) -> bytes:
        """The wrapped data key's bytes."""
        return base64.b64decode(self.wrapped_data_key)

    def canonical(self) -> bytes:
        """Returns the one byte form of this manifest."""
        content: dict[str, Any] = self.model_dump(mode="json")
        content["files"].sort(key=lambda file: file["name"])
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    def digest(self) -> str:
        """Returns the SHA-256 of the canonical bytes: the hash that explanations name."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Returns the manifest of its canonical bytes.

        Raises:
            ArtifactError: check `format`: no manifest, an unknown format, or not the canonical bytes.
        """
        try:
            manifest = cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise ArtifactError("format", f"the manifest is not valid at {place}: {first['msg']}") from error
        names = [file.name for file in manifest.files]
        if len(set(names)) != len(names):
            raise ArtifactError("format", "the manifest lists a file twice")
        if manifest.canonical() != content:
            raise ArtifactError("format", "the manifest is not in its canonical form")
        return manifest


def is_version(text: str) -> bool:
    """Returns whether a text has the form of a version id.

    >>> is_version("v20261123T154500-0a1b2c"), is_version("../v20261123T154500-0a1b2c")
    (True, False)
    """
    return VERSION.fullmatch(text) is not None


def new_version(now: datetime | None = None, *, after: str | None = None) -> str:
    """Returns a version id for a model made now.

    Args:
        now: the moment; default: the clock.
        after: a version that the new one must sort behind, even if the clock says otherwise.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    if after is not None:
        moment = max(moment, datetime.strptime(after[:16], "v%Y%m%dT%H%M%S").replace(tzinfo=UTC) + timedelta(seconds=1))
    return f"v{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
