"""Admission in PERF_MODE: every signed request is admitted, without a question to Redis."""

from security.admission.admission import Admission, AdmissionOutcome
from web.entrance.batcher import AdmissionCall, AdmissionResult

_OPEN = AdmissionResult(Admission(AdmissionOutcome.ADMITTED), {})


class OpenAdmission:
    """Takes the place of `AdmissionBatcher`: notices no replay, limits no rate, finds no recorded decision."""

    def admit(self, _call: AdmissionCall) -> AdmissionResult:
        """Returns at once."""
        return _OPEN

    def close(self, timeout_seconds: float) -> None:
        """Does nothing: there is no thread."""
