import re
from pathlib import Path

from security.errors import TokenRejectedError
from web.http.refusals import _SENTENCES, explained

ROOT = Path(__file__).parents[4]
_RAISED = re.compile(r"(?:Token|Signature)RejectedError\(\s*\"([a-z_]+)\"")


def test_every_reason_for_a_refusal_has_its_sentence_and_no_other_has() -> None:
    sources = [path for room in ("security", "web") for path in (ROOT / room).rglob("*.py")]
    raised = {reason for path in sources for reason in _RAISED.findall(path.read_text(encoding="utf-8"))}
    assert raised == set(_SENTENCES)


def test_a_sentence_ends_with_the_word_of_metrics_and_logs() -> None:
    assert explained(TokenRejectedError("token_expired")) == "It has expired. (token_expired)"
    assert explained(TokenRejectedError("something_new")) == "(something_new)"
