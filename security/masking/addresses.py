"""Addresses: of IPv4 the /24 stays, of IPv6 the /48, of e-mail the first letter and the domain."""

import re
from ipaddress import AddressValueError, IPv6Address

_IPV4 = re.compile(r"(?<![0-9])(?<![0-9*]\.)([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})\.[0-9]{1,3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(r"(?<![0-9A-Fa-f:.])[0-9A-Fa-f.]*+(?::[0-9A-Fa-f.]*+){2,}+(?!\w)")
# The at sign and the dot of full width too, as East Asian keyboards write them.
_AT_SIGNS = "@\uff20\ufe6b"
_DOTS = ".\uff0e\u3002\uff61"
_DOMAIN = rf"((?:[\w-]+[{_DOTS}])+[\w-]{{2,}})"
_EMAIL = re.compile(rf"(?<![\w{_DOTS}+%-])([\w{_DOTS}+%-])[\w{_DOTS}+%-]*+([{_AT_SIGNS}]){_DOMAIN}")
_QUOTED_EMAIL = re.compile(rf'"([^"\\\s])(?:[^"\\\n]|\\[^"]){{0,64}}(\\{{0,3}}"[{_AT_SIGNS}]){_DOMAIN}')


def mask_emails(text: str) -> str:
    """Returns the text with every e-mail address in it masked."""
    if "@" in text or not text.isascii():
        if '"' in text:
            text = _QUOTED_EMAIL.sub(r'"\1***\2\3', text)
        text = _EMAIL.sub(r"\1***\2\3", text)
    return text


def mask_ips(text: str) -> str:
    """Returns the text with every IP address in it masked."""
    if text.count(":") > 1:
        text = _IPV6.sub(_masked_ipv6, text)
    if text.count(".") > 2:
        text = _IPV4.sub(_masked_ipv4, text)
    return text


def _masked_ipv6(match: re.Match[str]) -> str:
    # A time of day or a MAC address has colons too, but neither a double colon nor seven single ones.
    candidate = match[0]
    if "::" not in candidate and candidate.count(":") < 6:
        return candidate
    before = ":" if candidate[0] == ":" and candidate[1:2] != ":" else ""
    address = candidate.removeprefix(before).rstrip(".")
    after = candidate[len(before) + len(address) :]
    if address.endswith(":") and not address.endswith("::"):
        address, after = address[:-1], ":" + after
    try:
        number = int(IPv6Address(address))
    except AddressValueError:
        return candidate
    network = str(IPv6Address(number >> 80 << 80)).removesuffix("::")
    return f"{before}{network}::x{after}"


def _masked_ipv4(match: re.Match[str]) -> str:
    return f"{match[1]}.x" if all(int(part) < 256 for part in match[0].split(".")) else match[0]
