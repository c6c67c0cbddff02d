"""Alerts on the model and what it scores: versions that are refused, outcomes, drift."""

from typing import Final

from observability.alerts.alert import (
    REDIS_REFUSES,
    SAFE_MODE_ON,
    SCORE_WORKER_ABSENT,
    Alert,
    Board,
    RuleGroup,
    Severity,
)
from observability.alerts.expressions import ratio, rose

_INTEGRITY: Final = 'check=~"files|signature|version|hash|decryption|golden|revoked"'
"""Checks that fail because somebody changed, replaced or withdrew a file; the others, because one is missing."""

_FAILED: Final = 'outcome=~"failed|unavailable|expired|overloaded"'

MODEL: Final = RuleGroup(
    "shrike-model",
    alerts=(
        Alert(
            name="ModelIntegrityFailed",
            severity=Severity.CRITICAL,
            expression=rose(f"model_load_failures_total{{{_INTEGRITY}}}", "15m", by="check") + " > 0",
            summary="A model version was refused: {{ $labels.check }}",
            description="Signature, hash, decryption or golden vectors of a version do not hold, or it was revoked. A "
            "worker with a model goes on with it; without one, SAFE MODE begins.",
            board=Board.SECURITY,
        ),
        Alert(
            name="ModelNotLoadable",
            severity=Severity.WARNING,
            expression=rose('model_load_failures_total{check!~"' + _INTEGRITY.split('"')[1] + '"}', "15m", by="check")
            + " > 0",
            summary="A model version cannot be loaded: {{ $labels.check }}",
            description="The registry, a file or the layout of a version is not what this release reads. Workers go on "
            "with the model that they have.",
            board=Board.SECURITY,
        ),
        Alert(
            name="ModelAbsent",
            severity=Severity.CRITICAL,
            expression='absent(model_info == 1) and on () count(celery_worker_up{queue=~"score(-.+)?"}) > 0',
            wait="2m",
            summary="Score workers run, and none serves a model",
            description="Nothing can be scored. Workers try to load the champion once a minute.",
            board=Board.SCORES,
            consequence_of=(SAFE_MODE_ON,),
        ),
        Alert(
            name="ModelVersionsDiffer",
            severity=Severity.WARNING,
            expression="count(count by (model_version) (model_info == 1)) > 1",
            wait="15m",
            summary="Score workers have served {{ $value }} model versions for a quarter of an hour",
            description="Some workers did not take the newest champion. Equal payments may get different scores.",
            board=Board.SCORES,
        ),
        Alert(
            name="ScoringFails",
            severity=Severity.WARNING,
            expression=ratio(
                f"sum(rate(fraud_inference_requests_total{{{_FAILED}}}[5m]))",
                "sum(rate(fraud_inference_requests_total[5m]))",
            )
            + " > 0.01",
            wait="5m",
            summary="{{ $value | humanizePercentage }} of the transactions are not scored",
            description="Scoring ends with failed, unavailable, expired or overloaded for more than one in a hundred.",
            board=Board.INFERENCE,
            consequence_of=(SAFE_MODE_ON, SCORE_WORKER_ABSENT, REDIS_REFUSES),
        ),
    ),
)

DRIFT: Final = RuleGroup(
    "shrike-drift",
    interval="1m",
    alerts=(
        Alert(
            name="ScoreDrift",
            severity=Severity.WARNING,
            expression=rose('drift_alerts_total{kind="score"}', "1h") + " > 0",
            summary="The scores of the last payments are distributed otherwise than in training",
            description="The population stability index of the score is above its threshold: decisions may be wrong in "
            "number or kind.",
            board=Board.SCORES,
        ),
        Alert(
            name="FeatureDrift",
            severity=Severity.WARNING,
            expression=rose('drift_alerts_total{kind="feature"}', "1h") + " > 0",
            summary="Features of the last payments are distributed otherwise than in training",
            description="The population stability index of at least one feature is above its threshold.",
            board=Board.SCORES,
        ),
        Alert(
            name="DriftCheckAbsent",
            severity=Severity.WARNING,
            expression="absent_over_time(psi_feature[6h]) and on () count(fraud_backend_requests_total offset 6h) > 0",
            summary="No drift check has had a result for six hours",
            description="Either the check does not run, or too few payments were decided for one. Until it does, drift "
            "goes unseen.",
            board=Board.SCORES,
        ),
    ),
)
