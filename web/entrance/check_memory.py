"""The entrance's check on adapters of any kind, one question after the other: for tests and single-process tools."""

from collections.abc import Sequence

from ml.stores.decisions.decisions import DecisionReader
from security.admission.admission import AdmissionControl
from web.entrance.batcher import Arrival, Passage


class MemoryEntranceCheck:
    """Asks an admission control and a decision store."""

    def __init__(self, admission: AdmissionControl, decisions: DecisionReader) -> None:
        self._admission = admission
        self._decisions = decisions

    def judge(self, arrivals: Sequence[Arrival]) -> list[Passage]:
        """See `EntranceCheck.judge`."""
        admissions = self._admission.admit([arrival.request for arrival in arrivals])
        passages = []
        for arrival, admission in zip(arrivals, admissions, strict=True):
            records = self._decisions.find_many(arrival.transaction_ids)
            found = zip(arrival.transaction_ids, records, strict=True)
            passages.append(Passage(admission, {name: record for name, record in found if record is not None}))
        return passages
