import pytest

from settings.json_values import parse_value


def test_json_is_read() -> None:
    assert parse_value('{"shop": [5, 1.5]}') == {"shop": [5, 1.5]}


@pytest.mark.parametrize("text", ["{s3cr3t", "s3cr3t", "{'s3cr3t': 1}", '{"s3cr3t": 1, "s3cr3t": 2}', "[" * 100_000])
def test_what_is_no_json_is_one_sentence_without_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it is (no )?JSON[^\n]*$") as refusal:
        parse_value(text)
    assert "s3cr3t" not in str(refusal.value)
