"""IP addresses as proxies and frameworks write them: a port and brackets are left out, a list and a zone are refused.

`203.0.113.7:50312` and `[2001:db8::1]:443` name one address, so they are read as it; `::ffff:203.0.113.7`, as a server
for both kinds shows an IPv4 client, is 203.0.113.7. Of a list, as in X-Forwarded-For,
only the client knows which entry it trusts, and a zone such as `%eth0` means nothing on another machine.
"""

import re
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_CHARACTERS = 64
_WITH_PORT = re.compile(
    r"(?P<v4>[0-9.]{7,15}):(?P<port4>[0-9]{1,5})|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\](?::(?P<port6>[0-9]{1,5}))?"
)
_HIGHEST_PORT = 65_535


def parse_ip(text: str) -> str:
    """Returns the one address in the text, in its shortest form.

    >>> parse_ip("[2001:0db8::0001]:443")
    '2001:db8::1'

    Raises:
        ValueError: there is none, more than one, one with a zone, or one with a port that cannot be; the message says
            what to send, not what was sent.
    """
    found = _WITH_PORT.fullmatch(text)
    if found and int(found["port4"] or found["port6"] or 0) > _HIGHEST_PORT:
        raise ValueError(f"must have no port above {_HIGHEST_PORT}: send the address alone")
    try:
        address = ip_address(found["v4"] or found["v6"] if found else text)
    except ValueError:
        raise ValueError(_what_is_wrong_with(text)) from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(_what_is_wrong_with(text))
        return str(address.ipv4_mapped or address)
    return str(address)


def _what_is_wrong_with(text: str) -> str:
    if "," in text:
        return "must be one address and not a list: send the client's own, not the proxies'"
    if "%" in text:
        return "must be an address without a zone: leave out % and what follows"
    return "must be an IPv4 or IPv6 address, such as 203.0.113.7; leave the field out if it is not known"


IpAddress = Annotated[
    str,
    Field(
        max_length=MAX_CHARACTERS,
        description="One IPv4 or IPv6 address; a port and brackets are left out. No list, no zone.",
    ),
    AfterValidator(parse_ip),
]
