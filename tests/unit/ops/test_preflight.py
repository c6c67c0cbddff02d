import pytest

from ops import preflight
from ops.development_keys import make_development_keys
from ops.errors import OpsError


@pytest.fixture(autouse=True)
def _keys(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in make_development_keys(tmp_path, replace=False).read_text().splitlines():
        name, _, value = line.partition("=")
        if value and not name.startswith("#"):
            monkeypatch.setenv(name, value.strip("'\""))
    monkeypatch.setenv("USE_LOCAL_INFERENCE", "true")


def test_a_web_process_that_scores_by_itself_starts_with_what_it_needs() -> None:
    assert preflight.check_web().use_local_inference


def test_without_onnxruntime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda _name: None)
    with pytest.raises(OpsError, match=r"pip install -r requirements/scoring\.txt"):
        preflight.check_web()
