"""Changes to a signed request: each makes another request of it, if only in a byte."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations


@dataclass(frozen=True)
class Sent:
    """What a signature covers of a request."""

    method: str
    target: str
    timestamp: str
    body: bytes


BODY = b'{"transaction_id":"t-1","amount":"12.50","currency":"EUR","channel":"ecom","note":"a/b"}'
ORIGINALS = (
    Sent("POST", "/predictions/score", "1700000000", BODY),
    Sent("POST", "/predictions/score/batch?dry=1&trace=a%2Fb", "1700000000", b'{"transactions":[' + BODY + b"]}"),
    Sent("GET", "/explanations?customer_id=c-1&decision=decline&from=2026-01-01&cursor=a%7Cb", "1700000000", b""),
    Sent("GET", "/predictions/t-1:a.b_c", "1700000000", b""),
    Sent("POST", "/admin/models/v20260101T000000-abcdef/promote", "1700000000", b'{"reason":"better"}'),
)


def mutations(sent: Sent) -> Iterator[tuple[str, Sent]]:
    """Yields the name of a change and the changed request."""
    for name, method in _methods(sent.method):
        yield name, replace(sent, method=method)
    for name, target in _targets(sent.target):
        yield name, replace(sent, target=target)
    for name, timestamp in _timestamps(sent.timestamp):
        yield name, replace(sent, timestamp=timestamp)
    for name, body in _bodies(sent.body):
        yield name, replace(sent, body=body)
    yield from _slides(sent)


def _methods(method: str) -> Iterator[tuple[str, str]]:
    for other in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", method.lower(), method.title(), f"{method} ", ""):
        if other != method:
            yield f"method {other!r}", other


def _targets(target: str) -> Iterator[tuple[str, str]]:
    for family in (_characters, _escapes, _paths, _queries):
        yield from family(target)


def _characters(target: str) -> Iterator[tuple[str, str]]:
    for at, character in enumerate(target):
        if character.isalpha():
            yield f"case at {at}", target[:at] + character.swapcase() + target[at + 1 :]
        if character != "%":
            yield f"percent-encoded at {at}", f"{target[:at]}%{ord(character):02X}{target[at + 1 :]}"
        yield f"doubled at {at}", target[:at] + character + target[at:]
        yield f"left out at {at}", target[:at] + target[at + 1 :]
        for inserted in ("/", "|", "%7C", "%2F", "%00", ";", "#"):
            yield f"{inserted} put in at {at}", target[:at] + inserted + target[at:]


def _escapes(target: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"%[0-9A-Fa-f]{2}", target):
        decoded = chr(int(found[0][1:], 16))
        yield f"{found[0]} decoded", target[: found.start()] + decoded + target[found.end() :]
        yield f"{found[0]} in the other case", target[: found.start()] + found[0].swapcase() + target[found.end() :]
        yield f"{found[0]} encoded twice", target.replace(found[0], "%25" + found[0][1:])


def _paths(target: str) -> Iterator[tuple[str, str]]:
    path = target.partition("?")[0]
    for at in (index for index, character in enumerate(path) if character == "/"):
        for inserted in ("/.", "/..", "/x/..", "/%2e", "/%2E%2e", "/;a=b"):
            yield f"{inserted} before {at}", target[:at] + inserted + target[at:]
    for end in ("/", "//", "/.", "%20", "?", "??", "?a=1", "&a=1", "#", "#a", "|", "|1", "\\"):
        yield f"{end} at the end", target + end
    yield "as an absolute URL", f"http://test{target}"
    yield "without a leading slash", target.lstrip("/")


def _queries(target: str) -> Iterator[tuple[str, str]]:
    path, _, query = target.partition("?")
    parts = query.split("&") if query else []
    for order in list(permutations(parts))[1:]:
        yield "query in another order", f"{path}?{'&'.join(order)}"
    for number, part in enumerate(parts):
        name = part.partition("=")[0]
        yield f"parameter {number} twice", f"{target}&{part}"
        yield f"parameter {number} left out", f"{path}?{'&'.join(parts[:number] + parts[number + 1 :])}"
        yield f"parameter {number} without a value", target.replace(part, name)
        yield f"parameter {number} emptied", target.replace(part, f"{name}=")
    if parts:
        yield "query separated by semicolons", target.replace("&", ";") + ";"
        yield "query as part of the path", target.replace("?", "%3F")
        yield "no query", path


def _timestamps(timestamp: str) -> Iterator[tuple[str, str]]:
    for step in (-119, -1, 1, 119):
        yield f"timestamp {step:+}", str(int(timestamp) + step)
    for other in (
        f"0{timestamp}",
        f"+{timestamp}",
        f" {timestamp}",
        f"{timestamp} ",
        f"{timestamp}.0",
        f"{timestamp}|",
    ):
        yield f"timestamp {other!r}", other
    yield "timestamp in Arabic digits", timestamp.translate({48 + digit: 0x660 + digit for digit in range(10)})


def _bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    for more in (b"\0", b"\n", b"\r\n", b" ", b"{}", b"\xef\xbb\xbf", b"|", b"0\r\n\r\n"):
        yield f"{more!r} after the body", body + more
        yield f"{more!r} before the body", more + body
    for at in range(0, len(body), 3):
        yield f"bit flipped at {at}", body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        yield f"byte left out at {at}", body[:at] + body[at + 1 :]
        yield f"cut at {at}", body[:at]
    if body:
        yield "no body", b""
        yield "body twice", body * 2
        for old, new in ((b":", b": "), (b"/", b"\\/"), (b"a", b"\\u0061"), (b"12.50", b"12.5"), (b'"', b"'")):
            if old in body:
                yield f"{old!r} written {new!r}", body.replace(old, new)


def _slides(sent: Sent) -> Iterator[tuple[str, Sent]]:
    """Yields requests whose fields, joined by pipes, read like the original's."""
    text = sent.body.decode()
    yield (
        "the body's start in the timestamp",
        replace(sent, timestamp=f"{sent.timestamp}|{text[:3]}", body=sent.body[3:]),
    )
    yield "the timestamp in the path", replace(sent, target=f"{sent.target}|{sent.timestamp}")
    yield "the path in the method", replace(sent, method=f"{sent.method}|{sent.target}", target="")
    yield "the timestamp in the body", replace(sent, timestamp="", body=f"{sent.timestamp}|{text}".encode())
