"""Tokens that tell by their first letters who issued them; nothing stays.

Sources: the providers' own pages on secret scanning, which publish these prefixes for this purpose.
"""

import re

from security.masking.stars import MASKED

MIN_TOKEN_CHARACTERS = 15

_ALNUM = "A-Za-z0-9"
_FORMS = (
    # Source code and packages: GitHub, GitLab, npm, PyPI, Docker, Hugging Face.
    rf"gh[pousr]_[{_ALNUM}]{{20,}}",
    r"github_pat_\w{20,}",
    r"gl(?:pat|ptt|dt|rt|cbt|soat|ft|oas|agent|imt|ffct)-[\w.-]{16,}",
    rf"npm_[{_ALNUM}]{{20,}}",
    r"pypi-[\w-]{16,}",
    r"dckr_[op]at_[\w-]{16,}",
    rf"hf_[{_ALNUM}]{{20,}}",
    # Clouds: Amazon, Google, DigitalOcean, Databricks, HashiCorp Vault.
    r"A(?:KIA|SIA|BIA|CCA|IDA|ROA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    r"AIza[\w-]{30,}",
    r"ya29\.[\w-]{16,}",
    r"GOCSPX-[\w-]{16,}",
    r"do[opr]_v1_[0-9a-f]{32,}",
    r"dapi[0-9a-f]{32}",
    r"hv[sbr]\.[\w-]{16,}",
    # Payments and shops: Stripe, Square, Shopify.
    rf"(?:sk|rk)_(?:live|test)_[{_ALNUM}]{{10,}}",
    r"whsec_[A-Za-z0-9+/=]{16,}",
    r"sq0(?:atp|csp|idp)-[\w-]{20,}",
    r"EAAA[\w-]{50,}",
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    # Messages and mail: Slack, Discord, Telegram, Twilio, SendGrid, Mailgun.
    r"xox[abeoprs]-[\w-]{10,}",
    r"xapp-[0-9]-[\w-]{10,}",
    r"hooks\.slack\.com/services/[\w/-]{16,}",
    r"discord(?:app)?\.com/api/webhooks/[\w/-]{16,}",
    r"[0-9]{8,10}:AA[\w-]{33}",
    r"SK[0-9a-f]{32}(?![A-Za-z0-9])",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"key-[0-9a-f]{32}(?![A-Za-z0-9])",
    # Models, operations, tickets: OpenAI and Anthropic, Grafana, New Relic, Atlassian, Linear, Postman; age.
    r"sk-(?=[A-Za-z_-]{0,40}[0-9])[\w-]{20,}",  # words with hyphens may begin so too
    r"gl(?:sa|c)_[\w=]{20,}",
    r"NRAK-[A-Z0-9]{20,}",
    r"AT[AC]TT3[\w=-]{20,}",
    rf"lin_(?:api|oauth)_[{_ALNUM}]{{20,}}",
    r"PMAK-[\w-]{20,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{20,}",
)
_TOKEN = re.compile(rf"(?<![{_ALNUM}])(?:{'|'.join(_FORMS)})", re.ASCII)


def mask_provider_tokens(text: str) -> str:
    """Returns the text with every token in it masked that begins like one of a well-known provider.

    >>> mask_provider_tokens("pushed with ghp_0123456789abcdefghij")
    'pushed with [masked]'
    """
    return _TOKEN.sub(MASKED, text)
