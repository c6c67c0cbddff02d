import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from observability.configuration.yaml_text import yaml_text

_TEXT = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" {}:\"'#-|"))
_VALUES = st.recursive(
    _TEXT | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "for", "expr"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["groups", "b"]), _VALUES, min_size=1))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    assert yaml.safe_load(yaml_text(value, heading="h")) == json.loads(json.dumps(value))


@pytest.mark.parametrize("text", ["a\nb", "or x\nor y: 1"])
def test_text_of_several_lines_stands_as_a_block(text: str) -> None:
    written = yaml_text({"rules": [{"expr": text}]}, heading="h")
    assert "expr: |-" in written
    assert yaml.safe_load(written) == {"rules": [{"expr": text}]}
