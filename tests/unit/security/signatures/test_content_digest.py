import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.signatures.content_digest import content_digest, fits_body

HELLO = b'{"hello": "world"}'
SHA256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
SHA512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
"""Of the body above. Source: RFC 9530 appendix D and RFC 9421 appendix B.2."""


@pytest.mark.parametrize(
    "header", [SHA256, SHA512, f"{SHA256}, {SHA512}", f"{SHA512},{SHA256}", f"md5=:AAAA:, {SHA256}"]
)
def test_the_standards_digests_fit(header: str) -> None:
    assert fits_body(header, HELLO)
    assert not fits_body(header, HELLO + b" ")


def test_our_own_digest_is_the_standards() -> None:
    assert content_digest(HELLO) == SHA256


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_digest_fits_its_body_alone(body: bytes, other: bytes) -> None:
    assert fits_body(content_digest(body), body)
    assert fits_body(content_digest(body), other) == (body == other)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha-256",
        "sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
        SHA256.upper(),
        f"{SHA256},",
        f"{SHA256};a=1",
        f"{SHA256} {SHA512}",
        "md5=:AAAA:",  # nothing that is trusted
        "sha-256=::",
        f"{SHA256}, sha-512=:AAAA:",  # one right, one wrong
        SHA256.replace("=:", "=:=", 1),
    ],
)
def test_any_other_header_fits_nothing(header: str) -> None:
    assert not fits_body(header, HELLO)
