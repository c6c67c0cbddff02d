import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.artifacts.artifact_encryption import (
    OVERHEAD_BYTES,
    DecryptionError,
    EncryptionContext,
    EncryptionKey,
    generate_encryption_key_text,
)
from settings import DEVELOPMENT_MARK

CONTEXT = EncryptionContext("v20261123T154500-0a1b2c", "key-1")
KEY = EncryptionKey(bytes(range(32)))


@given(content=st.binary(max_size=1000), name=st.text(min_size=1, max_size=20))
def test_an_encrypted_file_decrypts_again(content: bytes, name: str) -> None:
    data_key, wrapped = KEY.new_data_key(CONTEXT)
    sealed = data_key.encrypt(name, content)
    assert len(sealed) == len(content) + OVERHEAD_BYTES
    assert KEY.unwrap(wrapped, CONTEXT).decrypt(name, sealed) == content


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_keeps_it_closed(position: int, bit: int) -> None:
    data_key, _ = KEY.new_data_key(CONTEXT)
    sealed = bytearray(data_key.encrypt("model.onnx", b"content" * 10))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(DecryptionError):
        data_key.decrypt("model.onnx", bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, OVERHEAD_BYTES - 1, OVERHEAD_BYTES, OVERHEAD_BYTES + 3])
def test_truncated_bytes_do_not_open(length: int) -> None:
    data_key, _ = KEY.new_data_key(CONTEXT)
    with pytest.raises(DecryptionError):
        data_key.decrypt("model.onnx", data_key.encrypt("model.onnx", b"content")[:length])


def test_a_file_does_not_open_under_another_name() -> None:
    data_key, _ = KEY.new_data_key(CONTEXT)
    with pytest.raises(DecryptionError):
        data_key.decrypt("golden.json", data_key.encrypt("model.onnx", b"content"))


@pytest.mark.parametrize(
    "other",
    [EncryptionContext("v20261123T154500-0a1b2d", CONTEXT.key_id), EncryptionContext(CONTEXT.version, "key-2")],
    ids=["another version", "another key id"],
)
def test_a_data_key_does_not_unwrap_elsewhere(other: EncryptionContext) -> None:
    _, wrapped = KEY.new_data_key(CONTEXT)
    with pytest.raises(DecryptionError):
        KEY.unwrap(wrapped, other)


def test_a_data_key_does_not_unwrap_with_another_key() -> None:
    _, wrapped = KEY.new_data_key(CONTEXT)
    with pytest.raises(DecryptionError):
        EncryptionKey(os.urandom(32)).unwrap(wrapped, CONTEXT)


def test_every_version_gets_a_key_of_its_own() -> None:
    first, _ = KEY.new_data_key(CONTEXT)
    second, _ = KEY.new_data_key(CONTEXT)
    with pytest.raises(DecryptionError):
        second.decrypt("model.onnx", first.encrypt("model.onnx", b"content"))


def test_associated_data_cannot_be_shifted_between_fields() -> None:
    assert EncryptionContext('a","b', "c").associated_data("n") != EncryptionContext("a", 'b","c').associated_data("n")


def test_a_key_is_read_behind_the_development_mark() -> None:
    text = generate_encryption_key_text()
    _, wrapped = EncryptionKey.from_text(text).new_data_key(CONTEXT)
    EncryptionKey.from_text(DEVELOPMENT_MARK + text).unwrap(wrapped, CONTEXT)


@pytest.mark.parametrize(
    "text",
    ["", "secret?", base64.b64encode(b"short").decode(), base64.b64encode(bytes(33)).decode(), "é" * 44],
)
def test_an_unusable_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="artifact encryption key") as caught:
        EncryptionKey.from_text(text)
    assert not text or text not in str(caught.value)


def test_a_key_does_not_show_in_its_representation() -> None:
    key = EncryptionKey(b"k" * 32)
    assert "kkk" not in repr(key)
