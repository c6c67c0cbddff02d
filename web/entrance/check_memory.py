"""The admission check on adapters of any kind, one question after the other: for tests and single-process tools."""

from collections.abc import Sequence

from ml.stores.decisions.decisions import DecisionReader
from security.admission.admission import AdmissionControl
from web.entrance.batcher import AdmissionCall, AdmissionResult


class MemoryAdmissionCheck:
    """Asks an admission control and a decision store."""

    def __init__(self, admission: AdmissionControl, decisions: DecisionReader) -> None:
        self._admission = admission
        self._decisions = decisions

    def decide(self, calls: Sequence[AdmissionCall]) -> list[AdmissionResult]:
        """See `AdmissionCheck.decide`."""
        admissions = self._admission.admit([call.request for call in calls])
        results = []
        for call, admission in zip(calls, admissions, strict=True):
            records = self._decisions.find_many(call.transaction_ids)
            found = zip(call.transaction_ids, records, strict=True)
            results.append(AdmissionResult(admission, {name: record for name, record in found if record is not None}))
        return results
