"""Programs of Debian that tests call and `.ci/run` installs."""

import os
import shutil

import pytest


def debian_tool(*names: str, package: str) -> str:
    """Returns the path of a program, the first of its names that is there.

    Without it the test fails where continuous integration must prove it, and is skipped elsewhere.
    """
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    missing = f"{names[0]} is missing; `apt-get install {package}` brings it, as .ci/run does."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
