"""Requests that no honest client sends, byte for byte: each is refused and its connection closed; none is ever served.

What two parsers in a row read differently is how requests are smuggled past the first of them.
"""

import re

import pytest

from tests.integration.web.conftest import RunningApi
from tests.integration.web.requests import post_head, raw

GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /labels HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: smuggled\r\n\r\n"

HEADS: dict[str, bytes] = {
    # Two readings of where the body ends.
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12",
    "one length twice": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n1",
    "list of lengths": POST + b"Content-Length: 1, 1\r\n\r\n1",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and no length": POST + b"Transfer-Encoding: chunked\r\nContent-Length:\r\n\r\n0\r\n\r\n",
    "signed length": POST + b"Content-Length: +1\r\n\r\n1",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x1\r\n\r\n1",
    "grouped length": POST + b"Content-Length: 1_0\r\n\r\n1234567890",
    "length with a comma": POST + b"Content-Length: 1,\r\n\r\n1",
    "length in words": POST + b"Content-Length: one\r\n\r\n1",
    "length in other digits": POST + "Content-Length: \u0661\r\n\r\n1".encode(),
    "length with a fraction": POST + b"Content-Length: 1.0\r\n\r\n1",
    "length with a space inside": POST + b"Content-Length: 1 1\r\n\r\n1",
    "length after a vertical tab": POST + b"Content-Length: \x0b1\r\n\r\n1",
    "empty length": POST + b"Content-Length: \r\n\r\n",
    # Codings.
    "unknown coding": POST + b"Transfer-Encoding: br\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two fields": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then identity": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a semicolon": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding without a value": POST + b"Transfer-Encoding:\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /labels HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    # Header fields.
    "folded header": GET + b"A: 1\r\n 2\r\n\r\n",
    "folded by a tab": GET + b"A: 1\r\n\t2\r\n\r\n",
    "folded first": b"GET /health/live HTTP/1.1\r\n Host: x\r\n\r\n",
    "folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "space before colon": GET + b"A : 1\r\n\r\n",
    "tab before colon": GET + b"A\t: 1\r\n\r\n",
    "space inside a name": GET + b"A B: 1\r\n\r\n",
    "no name": GET + b": 1\r\n\r\n",
    "no colon": GET + b"nothing\r\n\r\n",
    "underscore in a name": GET + b"X_A: 1\r\n\r\n",
    "forwarded name with underscore": GET + b"X_Forwarded_Proto: https\r\n\r\n",
    "NUL in a name": GET + b"A\x00: 1\r\n\r\n",
    "NUL in a value": GET + b"A: 1\x002\r\n\r\n",
    "bare CR in a value": GET + b"A: 1\rContent-Length: 9\r\n\r\n",
    "letter beyond ASCII in a name": GET + "\u00c4: 1\r\n\r\n".encode(),
    "parenthesis in a name": GET + b"A(: 1\r\n\r\n",
    "quote in a name": GET + b'"A": 1\r\n\r\n',
    "lines that end in LF": b"GET /health/live HTTP/1.1\nHost: x\n\n",
    "one line that ends in LF": GET + b"A: 1\nB: 2\r\n\r\n",
    "length behind a bare LF": POST + b"A: 1\nContent-Length: 1\r\n\r\n1",
    "lines that end in CR": b"GET /health/live HTTP/1.1\rHost: x\r\r",
    "many headers": GET + b"".join(b"A%d: 1\r\n" % number for number in range(90)) + b"\r\n",
    "long header": GET + b"A: " + b"a" * 9000 + b"\r\n\r\n",
    "endless header": GET + b"A: " + b"a" * 1_000_000,
    # Request line.
    "no HTTP": b"hello\r\n\r\n",
    "nothing but a line end": b"\n\n\n\n",
    "no version": b"GET /health/live\r\nHost: x\r\n\r\n",
    "lower-case method": b"get /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "method with a NUL": b"GE\x00T /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "method in brackets": b"(GET) /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "endless method": b"G" * 5000 + b" /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "lower-case protocol": b"GET /health/live http/1.1\r\nHost: x\r\n\r\n",
    "version 1.10": b"GET /health/live HTTP/1.10\r\nHost: x\r\n\r\n",
    "version 2.0": b"GET /health/live HTTP/2.0\r\nHost: x\r\n\r\n",
    "version 0.9": b"GET /health/live HTTP/0.9\r\nHost: x\r\n\r\n",
    "version in other digits": "GET /health/live HTTP/\u0661.1\r\nHost: x\r\n\r\n".encode(),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two spaces": b"GET  /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "tab for a space": b"GET\t/health/live\tHTTP/1.1\r\nHost: x\r\n\r\n",
    "space behind the version": b"GET /health/live HTTP/1.1 \r\nHost: x\r\n\r\n",
    "space before the method": b" GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in the target": b"GET /health/live x HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the target": b"GET /health/live\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "control character in the target": b"GET /health/live\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    "letters beyond ASCII in the target": "GET /health/live\u00e4 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "target without a slash": b"GET health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "long target": b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "authority for CONNECT": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS to a port without": bytes.fromhex("16030100050100000100") + b"\r\n\r\n",
    # Who is asked.
    "no host": b"GET /health/live HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "a host with a space": b"GET /health/live HTTP/1.1\r\nHost: x y\r\n\r\n",
    "a host with a path": b"GET /health/live HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a host with a user": b"GET /health/live HTTP/1.1\r\nHost: a@x\r\n\r\n",
}

CHUNKS: dict[str, bytes] = {
    "no number": b"zz\r\n1\r\n0\r\n\r\n",
    "nothing": b"\r\n1\r\n0\r\n\r\n",
    "signed": b"+1\r\n1\r\n0\r\n\r\n",
    "negative": b"-1\r\n1\r\n0\r\n\r\n",
    "hexadecimal mark": b"0x1\r\n1\r\n0\r\n\r\n",
    "grouped": b"1_0\r\n1234567890123456\r\n0\r\n\r\n",
    "space before": b" 1\r\n1\r\n0\r\n\r\n",
    "space behind": b"1 \r\n1\r\n0\r\n\r\n",
    "too long a number": b"F" * 32 + b"\r\n1\r\n0\r\n\r\n",
    "other digits": "\u0661\r\n1\r\n0\r\n\r\n".encode(),
    "bare LF behind the size": b"1\n1\r\n0\r\n\r\n",
    "bare CR behind the size": b"1\r1\r\n0\r\n\r\n",
    "bare LF behind the data": b"1\r\n1\n0\r\n\r\n",
    "no end of the data": b"1\r\n12\r\n0\r\n\r\n",
    "bare LF in an extension": b"1;a\nb\r\n1\r\n0\r\n\r\n",
    "NUL in an extension": b"1;a\x00b\r\n1\r\n0\r\n\r\n",
    "endless extension": b"1;" + b"a" * 200_000 + b"\r\n1\r\n0\r\n\r\n",
    "trailer without a colon": b"1\r\n1\r\n0\r\nnothing\r\n\r\n",
    "trailer that folds": b"1\r\n1\r\n0\r\nA: 1\r\n 2\r\n\r\n",
    "data behind the length": b"2\r\n1\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", HEADS.values(), ids=HEADS.keys())
def test_a_malformed_head_is_refused_and_the_connection_closed(api: RunningApi, sent: bytes) -> None:
    _check_refusal(raw(api, sent, ended=True))


@pytest.mark.parametrize("sent", CHUNKS.values(), ids=CHUNKS.keys())
def test_malformed_chunks_are_refused_and_the_connection_closed(api: RunningApi, sent: bytes) -> None:
    answer = raw(api, post_head(api, b"1", Transfer_Encoding="chunked", Connection="keep-alive"), sent, ended=True)
    _check_refusal(answer)


def _check_refusal(answer: bytes) -> None:
    # No answer at all is a refusal too: there was nothing that could be called a request.
    if answer:
        # 501: a transfer coding that the server does not know.
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501 ")), answer[:200]
        assert answer.count(b"HTTP/1.1 ") == 1, answer[:2000]
        assert b'"ok"' not in answer


def test_what_is_only_unusual_is_served(api: RunningApi) -> None:
    for sent in (
        b"\r\nGET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /health/live HTTP/1.0\r\n\r\n",
        GET + b"Connection: close\r\nX-Empty:\r\nX-Text: caf\xc3\xa9\r\n\r\n",
        GET + b"connection:close\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: h2c\r\n\r\n",
    ):
        assert raw(api, sent)[:13] in {b"HTTP/1.1 200 ", b"HTTP/1.0 200 "}, sent
    assert raw(api, post_head(api, b"1", Transfer_Encoding="chunked") + b"1;ext=1\r\n1\r\n0\r\n\r\n")[9:12] == b"422"


def test_two_requests_in_one_piece_are_answered_in_order(api: RunningApi) -> None:
    answer = raw(api, GET + b"\r\n" + b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answer) == [b"200", b"404"]
