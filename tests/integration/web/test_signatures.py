"""Request signatures as they come over the wire, and what becomes of them when processes and servers die."""

import base64
import itertools
import json
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.embedded.valkey import command, is_healthy
from ops.embedded.valkey import url as valkey_url_of
from ops.processes.ports import free_port
from ops.processes.spawn import spawn, stop
from security.keys import generate_secret
from security.roles import Role
from security.signatures.http_message_signatures import HttpMessage
from security.signatures.http_message_verifier import sign_message
from security.signatures.request_signatures import sign
from security.tokens.token_issuer import issue_token
from tests.integration.web.conftest import RunningApi, running_api
from tests.integration.web.requests import SCORE, raw
from tests.integration.workers.conftest import Works, wait_until
from tests.unit.security.signatures.request_mutations import Sent, mutations

RECORD = "/predictions/nobody-scored-this"
"""Answers 404 if the signature is accepted."""

SECONDS_AGO = itertools.count()

BODY = b'{"transaction_id": ""}'
"""Answered 422 if the signature is accepted."""


def key_of(api: RunningApi) -> bytes:
    assert api.settings.hmac_key is not None
    return api.settings.hmac_key.get_secret_value().encode()


def bearer(api: RunningApi, subject: str = "wire") -> str:
    return issue_token(api.settings, subject=subject, roles=list(Role))


def signed_lines(api: RunningApi, sent: Sent, *, subject: str = "wire") -> dict[str, str]:
    """Returns the headers of a request signed with the shared key."""
    signature = sign(key_of(api), method=sent.method, path=sent.target, timestamp=sent.timestamp, body=sent.body)
    return {
        "Authorization": f"Bearer {bearer(api, subject)}",
        "X-Request-Timestamp": sent.timestamp,
        "X-Request-Signature": signature,
    }


def wire(sent: Sent, lines: dict[str, str] | str, *, framing: str | None = None, body: bytes | None = None) -> bytes:
    """Returns the bytes of a request; framing and body are the test's own if given."""
    if isinstance(lines, dict):
        lines = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    length = f"Content-Type: application/json\r\nContent-Length: {len(sent.body)}\r\n" if sent.body else ""
    head = f"{sent.method} {sent.target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{lines}"
    head += length if framing is None else f"Content-Type: application/json\r\n{framing}"
    return head.encode("utf-8") + b"\r\n" + (sent.body if body is None else body)


def outcome(answer: bytes) -> tuple[int, str]:
    """Returns status and kind of problem of the first answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    status, problem = int(head.split(b" ", 2)[1]), body[: int(length.partition(b":")[2])]
    if not problem:  # the answer to HEAD
        return status, ""
    return status, orjson.loads(problem)["type"].rpartition("problem-")[2]


def ask(api: RunningApi, request: bytes) -> tuple[int, str]:
    return outcome(raw(api, request))


def now() -> str:
    """Returns a fresh second, another for each call, so that no test's request is a replay of another's."""
    return str(int(time.time()) - next(SECONDS_AGO) % 110)


ADMITTED = (404, "not-found")
READ = (422, "invalid-body")
REFUSED = (401, "signature-rejected")
REPLAYED = (401, "replayed")
BROKEN = (400, "bad-request")


def get(at: str | None = None) -> Sent:
    return Sent("GET", RECORD, at or now(), b"")


def post(body: bytes = BODY) -> Sent:
    return Sent("POST", SCORE, now(), body)


def in_chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + b"0\r\n\r\n"


def test_no_changed_target_or_method_is_let_in_over_a_socket(api: RunningApi) -> None:
    original = get()
    lines = signed_lines(api, original)
    sendable = [
        changed
        for _, changed in mutations(original)
        if (changed.target, changed.method) != (original.target, original.method) and changed.body == original.body
    ]
    with ThreadPoolExecutor(4) as pool:
        seen = Counter(pool.map(lambda changed: ask(api, wire(changed, lines)), sendable))
    assert sum(seen.values()) > 300
    assert ADMITTED not in seen
    assert all(400 <= status < 500 or status == 501 for status, _ in seen), seen
    assert ask(api, wire(original, lines)) == ADMITTED  # none of them had used the signature up


@pytest.mark.parametrize(("offset", "expected"), [(-119, ADMITTED), (119, ADMITTED), (-121, REFUSED), (121, REFUSED)])
def test_the_window_is_two_minutes_on_either_side(api: RunningApi, offset: int, expected: tuple[int, str]) -> None:
    time.sleep(1 - time.time() % 1)  # the request has most of a second to get there
    sent = get(str(int(time.time()) + offset))
    assert ask(api, wire(sent, signed_lines(api, sent))) == expected


def test_a_body_in_chunks_is_the_body_it_carries(api: RunningApi) -> None:
    chunked = "Transfer-Encoding: chunked\r\n"
    for size, extension in ((1000, b""), (5, b""), (1, b""), (7, b";a=b")):
        sent = post()
        answer = ask(api, wire(sent, signed_lines(api, sent), framing=chunked, body=in_chunks(BODY, size, extension)))
        assert answer in ({READ, BROKEN} if extension else {READ})
    for changed in (BODY + b" ", BODY[:-1], BODY.replace(b'""', b'"a"'), b""):
        sent = post()
        assert ask(api, wire(sent, signed_lines(api, sent), framing=chunked, body=in_chunks(changed, 4))) == REFUSED


def test_framing_that_can_be_read_in_two_ways_is_refused(api: RunningApi) -> None:
    sent = post()
    lines, size = signed_lines(api, sent), len(BODY)
    for framing, body, expected in (
        (f"Content-Length: {size}\r\nTransfer-Encoding: chunked\r\n", in_chunks(BODY, 9), {BROKEN}),
        (f"Content-Length: {size}\r\nContent-Length: {size + 1}\r\n", BODY + b" ", {BROKEN}),
        (f"Content-Length: {size - 1}\r\n", BODY, {REFUSED}),
        ("Content-Length: 0\r\n", BODY, {REFUSED}),
        ("", BODY, {REFUSED}),
        ("Transfer-Encoding: chunked, identity\r\n", in_chunks(BODY, 9), {BROKEN, (501, "bad-request")}),
        (f"Content-Length: {size + 1}\r\n", BODY + b" ", {REFUSED}),
    ):
        assert ask(api, wire(sent, lines, framing=framing, body=body)) in expected, framing


def test_bytes_behind_a_body_are_no_part_of_it(api: RunningApi) -> None:
    sent = post()
    assert ask(api, wire(sent, signed_lines(api, sent), body=BODY + b"GET /admin HTTP/1.1\r\n")) == READ


def test_a_header_counts_once_and_in_one_line(api: RunningApi) -> None:
    sent = get()
    lines = signed_lines(api, sent)
    written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    stamp, signature = f"X-Request-Timestamp: {sent.timestamp}\r\n", lines["X-Request-Signature"]
    for changed, expected in (
        (written.replace(signature, f"{signature[:20]}\r\n {signature[20:]}"), {BROKEN}),  # folded
        (written.replace(stamp, f"X-Request-Timestamp:\r\n\t{sent.timestamp}\r\n"), {BROKEN}),
        (written + f"X-Request-Signature: {signature}\r\n", {REFUSED}),  # twice, even if alike
        (written + "X-Request-Signature: AAAA\r\n", {REFUSED}),
        (written + stamp, {REFUSED}),
        (written + "X-Key-Id: shared\r\nX-Key-Id: shared\r\n", {REFUSED}),
        (written + f"X_Request_Signature: {signature}\r\n", {BROKEN}),
        (written.replace("X-Request-Signature:", "X-Request-Signature :"), {BROKEN}),
        (written.replace(signature, f"{signature}\0"), {BROKEN, REFUSED}),
        (written + "Signature-Input: a=()\r\n", {REFUSED}),  # signed in two ways
    ):
        assert ask(api, wire(sent, changed)) in expected, changed
    # What HTTP says means nothing means nothing: the name's case, and white space around the value.
    spaced = (
        written.lower()
        .replace(signature.lower(), f"  {signature}  ")
        .replace(lines["Authorization"].lower(), lines["Authorization"])
    )
    assert ask(api, wire(sent, spaced)) == ADMITTED


def message_lines(api: RunningApi, sent: Sent, key: Any, key_id: str, *, subject: str = "wire") -> dict[str, str]:
    plain = HttpMessage(sent.method, "http", "test", sent.target, {}.get)
    signed = sign_message(key, plain, key_id=key_id, created=int(sent.timestamp), body=sent.body)
    return {"Authorization": f"Bearer {bearer(api, subject)}"} | signed


def test_of_many_copies_one_is_let_in_whichever_process_they_reach(api: RunningApi) -> None:
    for sent in (get(), Sent("POST", SCORE, now(), BODY)):
        for lines in (signed_lines(api, sent), message_lines(api, sent, key_of(api), "shared")):
            with ThreadPoolExecutor(8) as pool:
                seen = Counter(pool.map(lambda _: ask(api, wire(sent, lines)), range(24)))  # noqa: B023 - used at once
            assert seen == {ADMITTED if sent.method == "GET" else READ: 1, REPLAYED: 23}


def redis_in(folder: Path, port: int) -> "Popen[bytes]":
    """Starts a Redis that keeps its append-only file in the folder."""
    with (folder / "redis.log").open("ab") as output:
        return spawn(command(folder, port), env=os.environ, output=output)


def test_a_signature_stays_used_when_redis_is_killed_and_restarted(works: Works, tmp_path: Path) -> None:
    port = free_port()
    server = redis_in(tmp_path, port)
    try:
        wait_until(lambda: is_healthy(port), what="Redis")
        with running_api(works, REDIS_URL=valkey_url_of(port), SCORE_TIMEOUT_MS="1000") as api:
            sent = get()
            requests = [
                wire(sent, signed_lines(api, sent)),
                wire(sent, message_lines(api, sent, key_of(api), "shared")),
            ]
            assert [ask(api, request) for request in requests] == [ADMITTED] * 2
            os.kill(server.pid, signal.SIGKILL)
            server.wait(10)
            assert ask(api, requests[0])[0] == 503
            server = redis_in(tmp_path, port)
            wait_until(lambda: ask(api, requests[0])[0] != 503, what="Redis to be asked again")
            assert [ask(api, request) for request in requests] == [REPLAYED] * 2
            fresh = get(str(int(sent.timestamp) - 1))
            assert ask(api, wire(fresh, signed_lines(api, fresh))) == ADMITTED
    finally:
        stop(server)


def test_a_clients_keys_are_rotated_while_the_api_runs(works: Works, tmp_path: Path) -> None:
    old, new, private = generate_secret(), generate_secret(), Ed25519PrivateKey.generate()
    public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    file = tmp_path / "client-keys.json"

    def entry(key_id: str, algorithm: str, **material: str) -> dict[str, str]:
        return {"key_id": key_id, "subject": "shop", "algorithm": algorithm} | material

    def publish(*entries: dict[str, str]) -> None:
        file.write_text(json.dumps({"keys": entries}))

    def by_header(key_id: str, secret: str, *, hexadecimal: bool = False) -> tuple[int, str]:
        sent = Sent("GET", f"{RECORD}-{generate_secret()}"[:64], now(), b"")
        signature = sign(secret.encode(), method="GET", path=sent.target, timestamp=sent.timestamp, body=b"")
        if hexadecimal:
            signature = base64.b64decode(signature).hex()
        lines = {"Authorization": f"Bearer {bearer(api, 'shop')}", "X-Request-Timestamp": sent.timestamp}
        return ask(api, wire(sent, lines | {"X-Request-Signature": signature, "X-Key-Id": key_id}))

    def by_message(key_id: str, key: Any, subject: str) -> tuple[int, str]:
        sent = Sent("GET", f"{RECORD}-{generate_secret()}"[:64], now(), b"")
        return ask(api, wire(sent, message_lines(api, sent, key, key_id, subject=subject)))

    publish(entry("shop-1", "hmac-sha256", secret=old))
    with running_api(works, HMAC_KEYS_FILE=str(file), HMAC_ACCEPT_LEGACY_HEX="true") as api:
        assert by_header("shop-1", old) == ADMITTED
        assert by_header("shared", key_of(api).decode()) == REFUSED  # a subject with keys of its own is bound to them
        assert by_header("shop-2", new) == REFUSED
        publish(
            entry("shop-1", "hmac-sha256", secret=old),
            entry("shop-2", "hmac-sha256", secret=new),
            entry("shop-3", "ed25519", public_key=public),
        )
        wait_until(lambda: by_header("shop-2", new) == ADMITTED, seconds=5, what="the new key")
        assert by_header("shop-1", old) == ADMITTED
        assert by_message("shop-3", private, "shop") == ADMITTED
        assert by_message("shop-3", private, "somebody-else") == REFUSED
        assert by_message("shop-2", new.encode(), "shop") == ADMITTED
        publish(entry("shop-2", "hmac-sha256", secret=new))
        wait_until(lambda: by_header("shop-1", old) == REFUSED, seconds=5, what="the end of the old key")
        file.write_text("{ broken")
        assert by_header("shop-2", new) == ADMITTED
        assert by_header("shop-2", new, hexadecimal=True) == ADMITTED
        counted = api_metrics(api)
        assert 'hmac_verifications_total{result="accepted_legacy"} 1.0' in counted
        assert 'auth_failures_total{reason="signature_key_id"}' in counted
        assert 'hmac_verifications_total{result="accepted_rfc9421"} 2.0' in counted


def test_the_legacy_form_is_refused_by_default(api: RunningApi) -> None:
    sent = get()
    lines = signed_lines(api, sent)
    lines["X-Request-Signature"] = base64.b64decode(lines["X-Request-Signature"]).hex()
    assert ask(api, wire(sent, lines)) == REFUSED


def api_metrics(api: RunningApi) -> str:
    with api.client(Role.ADMIN) as admin:
        return admin.send("GET", "/metrics", is_signed=False).body.decode()
