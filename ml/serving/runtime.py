"""The model as a scoring worker holds it: one onnxruntime session, one call per batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
import orjson
from numpy.typing import NDArray

from ml.domain.decision import Thresholds
from ml.domain.errors import ArtifactError
from ml.explanation.scores import ModelScores
from ml.features.schema import FEATURE_COUNT, SEQUENCE_CHANNELS, SEQUENCE_LENGTH, schema_hash
from ml.model.rarity import Rarity
from ml.serving.graph_check import check_graph

PROBABILITIES = ("score", "tabular", "anomaly", "autoencoder", "sequence")
"""Outputs of the graph that are probabilities [B]."""

OUTPUTS = (*PROBABILITIES, "contributions", "terms", "sequence_steps", "reconstruction")
GOLDEN_TOLERANCE = 1e-5
"""Largest difference from a golden output: processors round float32 sums differently by up to about 1e-6."""

_WARM_UP_ROWS = (1, 2, 4, 8, 16, 32)
_WARM_UP_ROUNDS = 10


class ScoringModel:
    """A verified model version, ready to score; safe to swap between batches.

    Args:
        session: an onnxruntime session of the graph.
        thresholds: where decisions change.
        golden: parsed golden.json.
        version: the version id.
        manifest_hash: SHA-256 of the manifest the files were verified against.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        *,
        thresholds: Thresholds,
        golden: Mapping[str, Any],
        version: str,
        manifest_hash: str,
    ) -> None:
        self.version = version
        self.manifest_hash = manifest_hash
        self.thresholds = thresholds
        self._session = session
        self._golden = golden
        self._bias, self._rarity = _constants(session, version)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, version: str, manifest_hash: str) -> "ScoringModel":
        """Builds the model from an artifact's verified bytes.

        Raises:
            ArtifactError: `schema` if the model was trained on other features, `format` if a file is unusable.
        """
        try:
            trained_on = orjson.loads(files["features.json"])["schema_hash"]
            limits = orjson.loads(files["thresholds.json"])
            thresholds = Thresholds(review=float(limits["review"]), decline=float(limits["decline"]))
            golden = orjson.loads(files["golden.json"])
            graph = files["model.onnx"]
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError("format", f"model {version}: {error!r}") from error
        if trained_on != schema_hash():
            raise ArtifactError("schema", f"model {version} was trained on another feature schema")
        return cls(
            _open_session(graph, version),
            thresholds=thresholds,
            golden=golden,
            version=version,
            manifest_hash=manifest_hash,
        )

    def predict(self, vectors: NDArray[np.floating[Any]], sequences: NDArray[np.float32]) -> ModelScores:
        """Scores vectors [B, F] and sequences [B, S, K] in one run of the graph."""
        inputs = {"vectors": vectors.astype(np.float32), "sequences": sequences.astype(np.float32, copy=False)}
        outputs = dict(zip(OUTPUTS, self._session.run(OUTPUTS, inputs), strict=True))
        return ModelScores(**outputs, bias=self._bias, rarity=self._rarity)

    def warm_up(self) -> None:
        """Runs batches of the usual sizes, so that the first real one finds buffers allocated."""
        for rows in _WARM_UP_ROWS * _WARM_UP_ROUNDS:
            self.predict(
                np.zeros((rows, FEATURE_COUNT)),
                np.zeros((rows, SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS)), np.float32),
            )

    def check_golden(self) -> None:
        """Scores the golden vectors again and compares with the outputs at training time, and with their explanation.

        Raises:
            ArtifactError: `golden` if any output differs by more than `GOLDEN_TOLERANCE`, `format` if the
                golden vectors cannot be scored.
        """
        try:
            expected = self._golden["expected"]
            scores = self.predict(
                np.asarray(self._golden["vectors"], np.float64), np.asarray(self._golden["sequences"], np.float32)
            )
            differences = {
                name: float(np.max(np.abs(getattr(scores, name) - np.asarray(expected[name], np.float64))))
                for name in PROBABILITIES
            }
            differences["explanation"] = float(np.max(np.abs(scores.explained() - scores.score)))
        except Exception as error:
            raise ArtifactError("format", f"model {self.version}: golden vectors: {error}") from error
        worst = max(differences, key=lambda name: differences[name])
        # Written so that NaN fails.
        if not differences[worst] <= GOLDEN_TOLERANCE:
            against = "the score it explains" if worst == "explanation" else "its golden value"
            message = f"model {self.version}: {worst} differs from {against} by {differences[worst]:.2g}"
            raise ArtifactError("golden", message)


def _open_session(graph: bytes, version: str) -> onnxruntime.InferenceSession:
    check_graph(graph)
    options = onnxruntime.SessionOptions()
    # A scoring process owns one core; more threads would fight with the other processes.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ArtifactError("format", f"model {version}: not a usable ONNX graph: {error}") from error
    shapes = {item.name: list(item.shape[1:]) for item in session.get_inputs()}
    wanted = {"vectors": [FEATURE_COUNT], "sequences": [SEQUENCE_LENGTH, len(SEQUENCE_CHANNELS)]}
    if shapes != wanted or tuple(item.name for item in session.get_outputs()) != OUTPUTS:
        raise ArtifactError("format", f"model {version}: its inputs or outputs are not those of this program")
    return session


def _constants(session: onnxruntime.InferenceSession, version: str) -> tuple[float, Rarity]:
    metadata = session.get_modelmeta().custom_metadata_map
    try:
        return float(metadata["bias"]), Rarity.from_json(metadata["rarity"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError("format", f"model {version}: its metadata lack bias or rarity: {error!r}") from error
