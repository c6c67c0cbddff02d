import pytest
from click.testing import CliRunner

from ops.commands.stack import up
from settings.problems import SettingsRefusedError
from tests.unit.settings.test_production_rules import production


@pytest.mark.parametrize("arguments", [[], ["--detach"]])
def test_a_stack_whose_api_production_refuses_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    started: list[object] = []
    monkeypatch.setattr(up, "load_settings", lambda: production(tls_terminated_by_proxy=False))
    for start in ("run_stack", "start_detached"):
        monkeypatch.setattr(up, start, lambda *options, **_named: started.append(options))
    result = CliRunner().invoke(up.command, arguments)
    assert isinstance(result.exception, SettingsRefusedError)
    assert not started
