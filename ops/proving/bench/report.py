"""What the reports of all benchmarks have in common: the machine, targets, tables, and a file of JSON."""

import json
import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

_CPU_INFO = Path("/proc/cpuinfo")

json_option: Callable[[Any], Any] = click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every measurement here."
)
"""The option of every benchmark."""


@dataclass(frozen=True, slots=True)
class Target:
    """The bound that a figure should keep; `sign` is its side."""

    sign: Literal[">=", "<="]
    bound: float

    def is_met(self, value: float) -> bool:
        """Whether the value keeps the bound; NaN does not."""
        return value >= self.bound if self.sign == ">=" else value <= self.bound


def target_table(values: Mapping[str, float], targets: Mapping[str, Target]) -> str:
    """Returns a row per figure: its value, its target, and whether that is met.

    >>> print(target_table({"swap_p99_ratio": 2.5}, {"swap_p99_ratio": Target("<=", 3.0)}))
      swap_p99_ratio                        2.50   wanted <= 3   met
    """
    lines = []
    for name, value in values.items():
        target = targets[name]
        verdict = "met" if target.is_met(value) else "MISSED"
        lines.append(f"  {name:<34} {value:7.2f}   wanted {target.sign} {target.bound:g}   {verdict}")
    return "\n".join(lines)


def targets_document(values: Mapping[str, float], targets: Mapping[str, Target]) -> dict[str, Any]:
    """Returns the JSON-ready form of the targets that there are values for."""
    return {
        name: {"wanted": [targets[name].sign, targets[name].bound], "met": targets[name].is_met(value)}
        for name, value in values.items()
    }


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows as aligned columns, the first one left-aligned, indented by two.

    >>> print(columns([["model", "AUC"], ["random forest", "0.867"]]))
      model            AUC
      random forest  0.867
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
    return "\n".join(f"  {line.rstrip()}" for line in lines)


def require_folder(*files: Path | None) -> None:
    """Refuses a file that could not be written before anything is measured, not after.

    Raises:
        click.ClickException: the folder of a file does not exist.
    """
    for file in files:
        if file is not None and not file.absolute().parent.is_dir():
            raise click.ClickException(f"The folder of {file} does not exist.")


def write_json(file: Path | None, measured: Mapping[str, Any]) -> None:
    """Writes a report to the file, if one is named, and prints where it is."""
    if file is not None:
        file.write_text(as_json(measured))
        click.echo(f"Every measurement is in {file}.")


def as_json(measured: Mapping[str, Any]) -> str:
    """Returns a report as JSON, with the machine it was measured on; figures that are not finite are null."""
    return json.dumps(_finite({"machine": describe_machine(), **measured}), indent=2) + "\n"


def describe_machine() -> dict[str, str | int | float]:
    """Returns processor, CPUs, memory, system and Python version, which figures can be compared within."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cpus": os.cpu_count() or 1,
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _finite(value: Any) -> Any:
    """Returns a JSON-ready value, which has neither NaN nor infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
