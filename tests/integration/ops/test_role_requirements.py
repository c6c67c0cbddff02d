"""Each image installs its role's requirements only: what a role runs must import with those alone."""

import subprocess
import sys
from pathlib import Path

import pytest

_IMPORTS = {
    "web": ["web.server.wsgi", "web.wiring", "ops.commands.processes.web", "gevent", "gunicorn.app.wsgiapp"],
    "scoring": ["workers.score", "ops.commands.processes.worker"],
    "drains": ["workers.explain", "workers.publish", "workers.labels", "ops.commands.processes.worker"],
    "training": ["workers.retrain", "ops.commands.models.train", "ops.commands.stack.prepare", "ml.training.train"],
    "operations": ["workers.beat", "ops.commands.processes.beat", "ops.commands.processes.flower", "redbeat", "flower"],
}

# Runs in the child: packages that the role does not pin are as good as not installed.
_CHILD = """
import importlib, re, sys
from importlib.metadata import packages_distributions

pins, modules = sys.argv[1], sys.argv[2:]
name = lambda text: re.sub(r"[-_.]+", "-", text).lower()
pinned = {name(line.split("==")[0].split("[")[0]) for line in open(pins) if re.match(r"[A-Za-z0-9]", line)}
absent = {
    package
    for package, distributions in packages_distributions().items()
    if not {name(distribution) for distribution in distributions} & pinned
}

class Absent:
    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {fullname!r} in this role", name=fullname)

sys.meta_path.insert(0, Absent())
for module in modules:
    importlib.import_module(module)
assert "pytest" in absent
"""


@pytest.mark.parametrize("role", sorted(_IMPORTS))
def test_a_role_runs_on_its_own_requirements(role: str) -> None:
    pins = Path("requirements") / f"{role}.txt"
    result = subprocess.run(
        [sys.executable, "-c", _CHILD, str(pins), *_IMPORTS[role]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("role", ["web", "scoring", "drains", "operations"])
def test_no_image_but_training_carries_training_libraries(role: str) -> None:
    pinned = (Path("requirements") / f"{role}.txt").read_text().lower()
    for library in ("torch", "scikit-learn", "xgboost", "mlflow", "pyarrow"):
        assert f"\n{library}==" not in pinned, library
