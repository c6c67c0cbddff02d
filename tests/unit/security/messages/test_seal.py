import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.errors import MessageRejectedError
from security.messages.message_signer import MessageSigner
from security.messages.seal import Seal

SIGNER = MessageSigner(b"k" * 32)
SEAL = Seal(SIGNER, "a.purpose")

contents = st.binary(max_size=20) | st.lists(st.text(max_size=5), max_size=3) | st.dictionaries(st.text(), st.text())


@given(st.text(max_size=20), contents)
def test_what_was_sealed_verifies(name: str, content: object) -> None:
    SEAL.verify(name, content, seal=SEAL.sign(name, content))


def test_the_order_of_members_does_not_matter() -> None:
    assert SEAL.sign("a", {"x": 1, "y": 2}) == SEAL.sign("a", {"y": 2, "x": 1})


def test_a_value_may_be_its_name_alone() -> None:
    assert SEAL.sign("a") == SIGNER.sign("a.purpose", "a", 0, "")


@pytest.mark.parametrize(
    "seal",
    [
        Seal(SIGNER, "another.purpose").sign("a", ["x"]),
        Seal(MessageSigner(b"s" * 32), "a.purpose").sign("a", ["x"]),
        SEAL.sign("b", ["x"]),
        SEAL.sign("a", ["y"]),
        "rubbish",
    ],
)
def test_a_seal_fits_no_other_purpose_key_name_or_content(seal: str) -> None:
    with pytest.raises(MessageRejectedError, match="message_signature"):
        SEAL.verify("a", ["x"], seal=seal)


@pytest.mark.parametrize("seal", [None, ""])
def test_a_value_without_a_seal_is_refused(seal: str | None) -> None:
    with pytest.raises(MessageRejectedError, match="message_unsigned"):
        SEAL.verify("a", ["x"], seal=seal)
