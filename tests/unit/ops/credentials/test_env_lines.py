import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from ops.credentials.env_lines import env_line
from ops.errors import OpsError


@pytest.mark.parametrize(
    "value",
    ["plain-_./@+:,=%", "a b", "a#b", "a #b", "$HOME", "$(echo marked)", "`id`", 'a"b', "a;b&c|d", "*", "~", "é", "!x"],
)
def test_a_shell_and_this_platform_read_a_line_alike(tmp_path: Path, value: str) -> None:
    (tmp_path / "one.env").write_text(env_line("HMAC_KEY", value) + "\n")
    assert dotenv_values(tmp_path / "one.env") == {"HMAC_KEY": value}
    command = ["sh", "-c", '. "$0"; printf %s "$HMAC_KEY"', tmp_path / "one.env"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == value


@pytest.mark.parametrize("value", ["a'b", "a\\b", "a${b}c", "a\nb", "a\rb", "a\x00b"])
def test_a_value_that_is_read_differently_is_refused_by_name_and_not_shown(value: str) -> None:
    with pytest.raises(OpsError, match="HMAC_KEY has a ") as caught:
        env_line("HMAC_KEY", value)
    assert value not in str(caught.value)
