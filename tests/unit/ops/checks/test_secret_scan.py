import secrets
from pathlib import Path

import pytest

from ops.checks import secret_scan
from ops.checks.secret_scan import accept, known, suspects


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planted(name: str, text: str) -> list[str]:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    return [name]


def cloud_key() -> str:
    # Put together here, so that this very file holds none.
    return "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f'aws = "{cloud_key()}"\n', "AWS Access Key"),
        ("-----BEGIN " + "PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n", "Private Key"),
        (f'HMAC_KEY = "{secrets.token_hex(32)}"\n', "Hex High Entropy String"),
        ('url = "redis://web:' + 'hunter22@cache:6379/0"\n', "Basic Auth Credentials"),
    ],
    ids=["cloud key", "private key", "hex key", "password in a URL"],
)
@pytest.mark.usefixtures("folder")
def test_a_planted_secret_is_found(text: str, kind: str) -> None:
    found = list(suspects(planted("web/planted.py", text)))
    assert kind in {item.kind for item in found}
    assert all(item.path == "web/planted.py" and item.line == 1 for item in found)


@pytest.mark.usefixtures("folder")
def test_in_tests_only_issuers_own_forms_count() -> None:
    assert not list(suspects(planted("tests/made_up.py", f'KEY = "{secrets.token_hex(32)}"\n')))
    assert list(suspects(planted("tests/real.py", f'KEY = "{cloud_key()}"\n')))


def test_the_check_fails_until_a_person_accepts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = planted("settings.ini", f"[aws]\nkey = {cloud_key()}\n")
    monkeypatch.setattr(secret_scan, "tracked_files", lambda: paths)
    assert secret_scan.main([]) == 1
    assert "settings.ini:2: AWS Access Key" in capsys.readouterr().err
    assert secret_scan.main(["--accept"]) == 0
    assert secret_scan.main([]) == 0
    planted("settings.ini", "\n\n" + (folder / "settings.ini").read_text())
    assert secret_scan.main([]) == 0, "moved lines are the same secret"
    planted("settings.ini", f"[aws]\nkey = {cloud_key()}\n")
    assert secret_scan.main([]) == 1, "another secret is another one"


def test_the_baseline_holds_no_secret(folder: Path) -> None:
    key = cloud_key()
    found = list(suspects(planted("a.py", f'KEY = "{key}"\n')))
    accept(found, folder / "baseline")
    assert key not in (folder / "baseline").read_text()
    assert {item.key for item in found} == known(folder / "baseline")


def test_without_a_baseline_nothing_is_known(folder: Path) -> None:
    assert known(folder / "nowhere") == set()
