import pytest

from settings.problems import SettingsRefusedError
from tests.unit.settings.test_production_rules import production
from web.server import wsgi


def test_gunicorn_started_by_hand_serves_no_api_without_tls_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "load_settings", lambda: production(tls_terminated_by_proxy=False))
    with pytest.raises(SettingsRefusedError, match="TLS is missing"):
        wsgi.make_application()
