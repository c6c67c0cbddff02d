from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from ops.commands.credentials.certs import command
from ops.credentials.development_keys import KeysExistError
from security.client_certificates import CertificateMap
from security.revocations.revocation_list import RevocationList
from security.revocations.revocation_memory import MemoryRevocations
from settings import Settings
from tests.integration.workers.conftest import settings_of


def test_the_printed_settings_are_those_that_let_certificates_in(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    done = CliRunner().invoke(command, ["--dir", str(folder), "--name", "api.example"])
    assert done.exit_code == 0, done.output
    (tmp_path / "printed.env").write_text("\n".join(line for line in done.output.splitlines() if "=" in line))
    printed = {name: value or "" for name, value in dotenv_values(tmp_path / "printed.env").items()}
    settings = settings_of(printed)
    assert isinstance(settings, Settings)
    assert settings.mtls_only
    assert all(path is not None and path.exists() for path in (settings.tls_certificate_file, settings.tls_key_file))
    certificates = CertificateMap.from_settings(
        settings, revocations=RevocationList(MemoryRevocations(), leeway_seconds=30)
    )
    described = {
        "subjectAltName": (("URI", "spiffe://dev_shrike/admin"),),
        "serialNumber": "01",
        "notBefore": "Jan  1 00:00:00 2026 GMT",
        "notAfter": "Jan  1 00:00:00 2036 GMT",
    }
    assert certificates.read(described).subject == "dev-admin"


def test_existing_certificates_are_replaced_only_when_asked(tmp_path: Path) -> None:
    arguments = ["--dir", str(tmp_path / "tls")]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    refused = CliRunner().invoke(command, arguments)
    assert isinstance(refused.exception, KeysExistError)
    assert CliRunner().invoke(command, [*arguments, "--force"]).exit_code == 0


@pytest.mark.parametrize("arguments", [["--folder", "x"], ["extra"], ["--dir"]])
def test_what_it_does_not_know_it_refuses(arguments: list[str]) -> None:
    assert CliRunner().invoke(command, arguments).exit_code == 2
