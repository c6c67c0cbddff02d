"""The mask of a text whose secrets are recognised by their form.

| found | becomes |
| --- | --- |
| card number: 13 to 19 digits of any script, separated or not, that pass the Luhn check and are no time | the last four digits stay |
| IBAN that passes ISO 7064 mod 97-10 | country and last four characters stay |
| IPv4, IPv6 | the /24, the /48 stays |
| e-mail address | first letter and domain stay |
| bearer and basic credentials, JWTs, request signatures, private keys, tokens of well-known providers, passwords in URLs, values of secret-like names | nothing stays |

A number that only looks like a card's passes the Luhn check one time in ten and is then masked; the price of a
transaction id losing its digits in a log line is smaller than that of a card number keeping them. A signature in the
legacy hexadecimal form looks like any SHA-256 and is masked behind a name only, as in `signature=…`.
Masked text, masked again, stays as it is.
"""  # noqa: E501 - a table's row is one line

import re

from security.masking.addresses import mask_emails, mask_ips
from security.masking.cards import mask_cards
from security.masking.credentials import mask_credentials
from security.masking.escapes import unescape
from security.masking.ibans import mask_ibans

# Route templates, decisions, methods and reasons: without a digit, a separator or white space nothing can be found.
_HARMLESS = re.compile(r"[A-Za-z_/{}<>-]*")


def mask(text: str) -> str:
    """Returns the text without the secrets and personal numbers listed above.

    >>> mask("card 4111 1111 1111 1111 from 192.168.7.9")
    'card **** **** **** 1111 from 192.168.7.x'
    >>> mask("Authorization: Bearer abcdefgh12345678")
    'Authorization: Bearer [masked]'
    """
    if _HARMLESS.fullmatch(text):
        return text
    if "%" in text or "\\" in text or "&" in text:
        text = unescape(text)
    text = mask_emails(mask_credentials(text))
    # IBANs before addresses before cards: the later rule would take parts of the earlier one's numbers.
    return mask_cards(mask_ips(mask_ibans(text)))
