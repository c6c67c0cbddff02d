from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.errors import KeyUnusableError, MessageRejectedError
from security.keys import generate_secret
from security.messages.message_signer import MessageSigner
from settings import Settings

SIGNER = MessageSigner(generate_secret().encode())

messages = st.tuples(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**53), st.binary(max_size=50))


@given(messages)
def test_what_was_signed_verifies(message: tuple[str, str, int, bytes]) -> None:
    SIGNER.verify(*message, signature=SIGNER.sign(*message))


@given(messages, messages)
def test_a_signature_fits_no_other_message(
    signed: tuple[str, str, int, bytes], sent: tuple[str, str, int, bytes]
) -> None:
    if signed != sent:
        with pytest.raises(MessageRejectedError, match="message_signature"):
            SIGNER.verify(*sent, signature=SIGNER.sign(*signed))


@given(st.text(max_size=30), st.integers(0, 30))
def test_fields_cannot_slide_into_each_other(text: str, at: int) -> None:
    whole = SIGNER.sign(text, "", 0, b"")
    with pytest.raises(MessageRejectedError):
        SIGNER.verify(text[:at], text[at:] + "x", 0, b"", signature=whole)


def test_text_and_its_bytes_are_the_same_payload() -> None:
    assert SIGNER.sign("a", "b", 1, "ü") == SIGNER.sign("a", "b", 1, "ü".encode())


@pytest.mark.parametrize("signature", [None, "", 0, b"x", ["x"]])
def test_an_unsigned_message_is_refused(signature: object) -> None:
    with pytest.raises(MessageRejectedError, match="message_unsigned"):
        SIGNER.verify("a", "b", 1, b"{}", signature=signature)


@pytest.mark.parametrize("signature", ["x", "\ud800", "ü" * 44, "A" * 44])
def test_rubbish_is_refused(signature: str) -> None:
    with pytest.raises(MessageRejectedError, match="message_signature"):
        SIGNER.verify("a", "b", 1, b"{}", signature=signature)


def test_another_key_signs_nothing_for_us() -> None:
    other = MessageSigner(generate_secret().encode())
    with pytest.raises(MessageRejectedError):
        SIGNER.verify("a", "b", 1, b"{}", signature=other.sign("a", "b", 1, b"{}"))


def test_a_missing_key_stops_the_start() -> None:
    with pytest.raises(KeyUnusableError, match="MESSAGE_KEY is not set"):
        MessageSigner.from_settings(Settings(_env_file=None))


def test_each_step_of_a_rotation_accepts_what_its_neighbours_sign() -> None:
    old, new = (generate_secret().encode() for _ in range(2))
    steps = [MessageSigner(old), MessageSigner(old, new), MessageSigner(new, old), MessageSigner(new)]
    for earlier, later in pairwise(steps):
        for sender, receiver in ((earlier, later), (later, earlier), (earlier, earlier)):
            receiver.verify("score", "id", 1, b"x", signature=sender.sign("score", "id", 1, b"x"))
    with pytest.raises(MessageRejectedError, match="message_signature"):
        steps[3].verify("score", "id", 1, b"x", signature=steps[0].sign("score", "id", 1, b"x"))


def test_a_weak_previous_key_is_refused_by_name() -> None:
    with pytest.raises(KeyUnusableError, match="MESSAGE_PREVIOUS_KEY"):
        MessageSigner.from_settings(Settings(_env_file=None, message_key=generate_secret(), message_previous_key="x"))
