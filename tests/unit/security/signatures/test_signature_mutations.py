from collections.abc import Callable

import pytest

from security.errors import SignatureRejectedError
from security.keys import generate_secret
from security.signatures.client_keys import shared_key
from security.signatures.http_message_signatures import HttpMessage
from security.signatures.http_message_verifier import MessageSignatureVerifier, sign_message
from security.signatures.request_signatures import SignatureVerifier, sign
from tests.unit.security.signatures.request_mutations import ORIGINALS, Sent, mutations

KEY = generate_secret().encode()
NOW = 1_700_000_000
HEADER = SignatureVerifier(shared_key(KEY), accept_legacy_hex=True, clock=lambda: NOW)
MESSAGE = MessageSignatureVerifier(shared_key(KEY), max_skew_seconds=120, clock=lambda: NOW)
LEAST_MUTATIONS = 1000


def by_header(original: Sent) -> Callable[[Sent], object]:
    signature = sign(KEY, **sent_as_signed(original))

    def verify(sent: Sent) -> object:
        return HEADER.verify(
            method=sent.method,
            path=sent.target,
            timestamp_header=sent.timestamp,
            signature_header=signature,
            body=sent.body,
        )

    return verify


def by_legacy_header(original: Sent) -> Callable[[Sent], object]:
    from base64 import b64decode

    signature = b64decode(sign(KEY, **sent_as_signed(original))).hex()

    def verify(sent: Sent) -> object:
        return HEADER.verify(
            method=sent.method,
            path=sent.target,
            timestamp_header=sent.timestamp,
            signature_header=signature,
            body=sent.body,
        )

    return verify


def by_message(original: Sent) -> Callable[[Sent], object]:
    plain = HttpMessage(original.method, "https", "api.test", original.target, {}.get)
    created = int(original.timestamp)
    signed = sign_message(KEY, plain, key_id="shared", created=created, body=original.body)
    fields = {name.lower(): value for name, value in signed.items()}

    def verify(sent: Sent) -> object:
        # A message signature's time stands in its own header.
        stamped = fields | {"signature-input": fields["signature-input"].replace(original.timestamp, sent.timestamp)}
        return MESSAGE.verify(
            HttpMessage(sent.method, "https", "api.test", sent.target, stamped.get), body=sent.body, subject="a"
        )

    return verify


def sent_as_signed(sent: Sent) -> dict:
    return {"method": sent.method, "path": sent.target, "timestamp": sent.timestamp, "body": sent.body}


@pytest.mark.parametrize("make_verify", [by_header, by_legacy_header, by_message])
def test_no_change_of_a_signed_request_is_accepted(make_verify: Callable[[Sent], Callable[[Sent], object]]) -> None:
    tried, accepted = 0, []
    for original in ORIGINALS:
        verify = make_verify(original)
        assert verify(original)
        for name, changed in mutations(original):
            if changed == original:
                continue
            tried += 1
            try:
                verify(changed)
            except SignatureRejectedError:
                continue
            accepted.append((original.target, name))
    assert tried >= LEAST_MUTATIONS
    assert [pair for pair in accepted if not _means_the_same(make_verify, *pair)] == []


def _means_the_same(make_verify: object, target: str, name: str) -> bool:
    """A message signature covers `@query` as RFC 9421 defines it: an empty query is no query."""
    return make_verify is by_message and name == "? at the end" and "?" not in target


def test_there_are_over_a_thousand_changes_and_hardly_two_alike() -> None:
    changed = [mutant for original in ORIGINALS for _, mutant in mutations(original) if mutant != original]
    assert len(set(changed)) >= LEAST_MUTATIONS
    assert len(set(changed)) > 0.9 * len(changed)
