import pytest

from security.names import as_line, is_key_id, is_line, is_name


@pytest.mark.parametrize("name", ["a", "shop-1", "user@example.com", "x" * 128])
def test_printable_ascii_is_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("value", ["", "two words", "ü", "a\n", "x" * 129, None, 7, b"shop", True])
def test_anything_else_is_no_name(value: object) -> None:
    assert not is_name(value)


@pytest.mark.parametrize("key_id", ["a", "2026-11", "shop:1._-", "x" * 64])
def test_letters_digits_and_four_marks_are_a_key_id(key_id: str) -> None:
    assert is_key_id(key_id)


@pytest.mark.parametrize("value", ["", "two words", "a/b", "a\n", "x" * 65, None, 7, ["a"]])
def test_anything_else_is_no_key_id(value: object) -> None:
    assert not is_key_id(value)


@pytest.mark.parametrize("text", ["", "für Prometheus", "模型异常"])
def test_a_printable_text_is_a_line_and_shown_as_it_is(text: str) -> None:
    assert is_line(text)
    assert as_line(text) == text


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2J", "\x9b2J", "\u202e", "\udcff", "\x00"])
def test_what_a_terminal_obeys_is_no_line_and_shown_as_an_escape(text: str) -> None:
    assert not is_line(text)
    assert is_line(as_line(text))
