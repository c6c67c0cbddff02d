from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.domain.ip_addresses import parse_ip


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_an_ipv4_address_is_read_with_and_without_a_port(address: IPv4Address, port: int) -> None:
    assert parse_ip(str(address)) == parse_ip(f"{address}:{port}") == parse_ip(f"::ffff:{address}") == str(address)


@given(st.ip_addresses(v=6), st.integers(0, 65535))
def test_an_ipv6_address_is_read_in_every_form(address: IPv6Address, port: int) -> None:
    forms = (str(address), address.exploded, str(address).upper(), f"[{address}]", f"[{address.exploded}]:{port}")
    assert {parse_ip(form) for form in forms} == {str(address.ipv4_mapped or address)}


@pytest.mark.parametrize(
    ("text", "what_to_do"),
    [
        ("203.0.113.7, 198.51.100.1", "one address and not a list"),
        ("203.0.113.7,198.51.100.1", "one address and not a list"),
        ("fe80::1%eth0", "without a zone"),
        ("fe80::1%<script>", "without a zone"),
        ("[fe80::1%25eth0]:443", "without a zone"),
        ("999.0.0.1", "such as 203.0.113.7"),
        ("999.0.0.1:80", "such as 203.0.113.7"),
        ("203.0.113.7:", "such as 203.0.113.7"),
        ("203.0.113.7:123456", "such as 203.0.113.7"),
        ("203.0.113.7:65536", "no port above 65535: send the address alone"),
        ("203.0.113.7:99999", "no port above 65535: send the address alone"),
        ("[2001:db8::1]:99999", "no port above 65535: send the address alone"),
        ("[203.0.113.7", "such as 203.0.113.7"),
        ("[]", "such as 203.0.113.7"),
        ("203.0.113.07", "such as 203.0.113.7"),
        (" 203.0.113.7", "such as 203.0.113.7"),
        ("203.0.113.7\n", "such as 203.0.113.7"),
        ("unknown", "leave the field out"),
        ("localhost", "leave the field out"),
        ("", "leave the field out"),
    ],
)
def test_what_is_no_single_address_is_told_what_to_send(text: str, what_to_do: str) -> None:
    with pytest.raises(ValueError, match=what_to_do):
        parse_ip(text)


@given(st.text(max_size=64))
def test_whatever_comes_is_an_address_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert str(ip_address(parse_ip(text))) == parse_ip(text)
