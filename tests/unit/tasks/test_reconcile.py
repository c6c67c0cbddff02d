import pytest

from ml.delivery.reconciliation import ReconciliationReport
from ml.domain.errors import StoreUnavailableError
from tasks import reconcile
from tasks.reconcile import Reconciler, run_reconciliation
from tasks.services import provide
from tasks.upkeep.completeness import CompletenessCheck


def report(sink: str, shard: str | None = None, *, repaired: int = 1) -> ReconciliationReport:
    return ReconciliationReport(sink, overdue=2, held=0, acknowledged=1, repaired=repaired, lost=0, shard=shard)


def unreachable(_before_ms: int) -> ReconciliationReport:
    raise StoreUnavailableError("the shard is down")


def test_an_outbox_that_cannot_be_asked_keeps_no_other_from_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    reports = Reconciler([unreachable, lambda _before_ms: report("explain", "s2")]).run()
    assert [(item.sink, item.shard) for item in reports] == [("explain", "s2")]
    assert "the shard is down" in caplog.text


def test_repairs_send_their_drains_a_doorbell_but_for_those_of_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(reconcile, "send_doorbells", lambda *names: sent.extend(names))
    reports = [report("explain"), report("publish", repaired=0), report("publish", "s1")]
    provide(CompletenessCheck, CompletenessCheck([], minutes=1))
    provide(Reconciler, Reconciler([lambda _before_ms, item=item: item for item in reports]))
    run_reconciliation.run()
    assert sent == ["explain"]
