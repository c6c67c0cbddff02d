"""Writes plain values as YAML; the product carries no YAML library, and needs one for nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def yaml_text(value: Mapping[str, Any], *, heading: str) -> str:
    """Returns a document with a comment above it; text of several lines stands as a block.

    >>> print(yaml_text({"a": [{"b": 1, "c": "x: y"}], "d": {}}, heading="Made by …"), end="")
    # Made by …
    a:
      - b: 1
        c: "x: y"
    d: {}
    """
    comment = [f"# {line}".rstrip() for line in heading.splitlines()]
    return "\n".join([*comment, *_mapping(value), ""])


def _mapping(value: Mapping[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{key}:", item, indent="  ")


def _sequence(value: Sequence[Any]) -> Iterator[str]:
    for item in value:
        if isinstance(item, Mapping) and item:
            first, *others = _mapping(item)
            yield f"- {first}"
            yield from (f"  {line}" if line else "" for line in others)
        else:
            yield from _entry("-", item, indent="  ")


def _entry(opening: str, item: Any, *, indent: str) -> Iterator[str]:
    lines: Iterator[str]
    if isinstance(item, str) and "\n" in item:
        yield f"{opening} |-"
        lines = iter(item.splitlines())
    elif isinstance(item, Mapping) and item:
        yield opening
        lines = _mapping(item)
    elif isinstance(item, list | tuple) and item:
        yield opening
        lines = _sequence(item)
    else:
        # A scalar of JSON, an empty list or an empty mapping is the same in YAML.
        yield f"{opening} {json.dumps(item, ensure_ascii=False)}"
        return
    yield from (f"{indent}{line}" if line else "" for line in lines)
