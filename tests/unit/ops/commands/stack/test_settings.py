import re
from pathlib import Path

from click.testing import CliRunner

from ops.commands.stack.settings import command, example_file
from settings import Settings

ROOT = Path(__file__).parents[5]


def test_the_example_file_is_the_one_that_is_generated() -> None:
    assert (ROOT / ".env.example").read_text() == example_file(), (
        "run `python -m ops settings --example > .env.example`"
    )


def test_the_example_file_names_every_setting_once() -> None:
    names = re.findall(r"^# ([A-Z0-9_]+)=", example_file(), flags=re.MULTILINE)
    assert names == [name.upper() for name in Settings.model_fields]


def test_the_example_s_defaults_are_accepted_as_they_stand(tmp_path: Path) -> None:
    lines = [line[2:] for line in example_file().splitlines() if re.match(r"# [A-Z0-9_]+=.", line)]
    file = tmp_path / "env"
    file.write_text("\n".join(lines))
    assert Settings(_env_file=file).model_fields_set >= {"web_port", "rate_limit_overrides"}


def test_secrets_are_not_printed() -> None:
    secret = "a-secret-that-must-not-be-printed"
    result = CliRunner().invoke(command, env={"HMAC_KEY": secret})
    assert "HMAC_KEY=(hidden)" in result.output
    assert secret not in result.output
