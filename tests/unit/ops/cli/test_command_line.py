import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from ml.domain.errors import DataError
from ops.cli.command_line import shrike
from ops.cli.failures import sentence
from ops.errors import OpsError
from settings import Settings
from settings.problems import SettingsRefusedError

ROOT = Path(__file__).parents[4]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments], capture_output=True, text=True, env=env, check=False
    )


def test_help_lists_every_command_with_a_summary() -> None:
    output = CliRunner().invoke(shrike, ["--help"]).output
    modules = {path.stem.replace("_", "-") for path in (ROOT / "ops/commands").glob("[a-z]*.py")}
    listed = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.startswith("  ")}
    assert modules <= listed.keys()
    assert all(listed[name] for name in modules)


@pytest.mark.parametrize(
    "arguments", [["up", "--frobnicate"], ["worker", "nonsense"], ["nonsense"], ["demo", "--rate", "x"]]
)
def test_unknown_commands_options_and_values_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(shrike, arguments)
    assert result.exit_code == 2
    assert "Error" in result.output


def test_a_command_imports_only_what_it_needs() -> None:
    imports = "import sys, ops.cli.command_line, ops.commands.processes.worker"
    program = f"{imports}; print(sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    for heavy in ("celery", "flask", "torch", "sklearn", "numpy", "pymongo", "confluent_kafka", "redis", "jwt"):
        assert f"'{heavy}'" not in loaded, heavy


def test_the_api_imports_nothing_of_what_scores() -> None:
    program = "import sys, web.app; print(sorted(m for m in sys.modules if '.' not in m or m == 'ml.serving.pipeline'))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    for heavy in ("ml.serving.pipeline", "numpy", "onnxruntime", "pymongo", "mlflow", "pandas"):
        assert f"'{heavy}'" not in loaded, heavy


def test_malformed_settings_are_one_sentence_without_their_values() -> None:
    result = run("status", WEB_PORT="not-a-secret-but-not-shown")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "WEB_PORT" in result.stderr
    assert "not-a-secret" not in result.stderr


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = run("up", "--detach", VAR_DIR=str(blocked / "var"))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert str(blocked) in result.stderr


@pytest.mark.parametrize(
    "error",
    [DataError("The file is empty."), OpsError("The stack runs already."), SettingsRefusedError(["TLS is missing."])],
)
def test_expected_failures_become_their_own_sentence(error: Exception) -> None:
    assert sentence(error) == str(error)


def test_a_defect_keeps_its_traceback() -> None:
    assert sentence(KeyError("x")) is None
    assert sentence(OSError("no file named")) is None


def test_clients_failures_name_the_setting() -> None:
    import redis.exceptions
    from pymongo.errors import ServerSelectionTimeoutError

    assert "REDIS_URL" in (sentence(redis.exceptions.ConnectionError("x")) or "")
    assert "MONGO_URL" in (sentence(ServerSelectionTimeoutError("x")) or "")


def test_production_s_refusal_is_one_sentence() -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None, environment="production")
    assert "production refuses to start" in (sentence(refusal.value) or "")
