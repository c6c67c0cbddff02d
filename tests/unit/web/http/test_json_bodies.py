"""Bodies that are not JSON, or that two readers could read differently, and odd ones that are JSON all the same."""

from collections.abc import Callable

import pytest

from tests.unit.web.world import World

PATH = "/predictions/score"

# Each stands alone, as an element, and as a member's value: what is wrong at the top is wrong inside as well.
BAD_VALUES: dict[str, bytes] = {
    # Numbers.
    **{
        f"number {text.decode()}": text
        for text in (
            *(b"+1", b"-", b"--1", b"+", b"01", b"-01", b"00", b"-00", b"1.", b"-1.", b".5", b"-.5", b"1.e1", b".e1"),
            *(b"1e", b"1e+", b"1e-", b"1E", b"1ee2", b"1e1.5", b"1.2.3", b"1..2", b"0x1", b"0xF", b"0b1", b"0o7"),
            *(b"1_000", b"1 000", b"1a", b"1-", b"1+1", b"1f", b"12L", b"1/2", b"0e", b"0e+", b"0.e1"),
            *(b"NaN", b"-NaN", b"nan", b"Infinity", b"-Infinity", b"+Infinity", b"Inf", b"inf", b"1e1e1"),
            *("\u0661".encode(), "1\u0662".encode(), "\uff11".encode(), b"-foo", b"- 1"),
        )
    },
    # Words.
    **{
        f"word {text.decode()}": text
        for text in (
            *(b"nul", b"nulll", b"Null", b"NULL", b"None", b"nil", b"undefined", b"tru", b"True", b"TRUE", b"yes"),
            *(b"fals", b"False", b"truefalse", b"true false", b"a", b"abc", b"*", b"$", b"#", b"@", b"`", b"~", b"<a>"),
            *(b"new Date()", b"function(){}", b"/a/", b"&amp;", b"\\u006eull", b"nu\\u006cl"),
        )
    },
    # Strings.
    "single quotes": b"'a'",
    "no end": b'"a',
    "no beginning": b'a"',
    "only a quote": b'"',
    "ends in a backslash": b'"\\',
    "escaped end": b'"a\\"',
    "unknown escape a": b'"\\a"',
    "unknown escape x": b'"\\x41"',
    "unknown escape v": b'"\\v"',
    "escaped digit": b'"\\0"',
    "escaped octal": b'"\\101"',
    "escaped apostrophe": b'"\\\'"',
    "escaped line end": b'"a\\\nb"',
    "escaped space": b'"\\ "',
    "escape in other letters": '"\\\u00e9"'.encode(),
    "capital escape": b'"\\N"',
    "capital unicode escape": b'"\\U0001F600"',
    "short unicode escape": b'"\\u12"',
    "empty unicode escape": b'"\\u"',
    "unicode escape with a sign": b'"\\u+123"',
    "unicode escape with a space": b'"\\u 123"',
    "unicode escape with a letter": b'"\\u123g"',
    "unicode escape in braces": b'"\\u{41}"',
    "raw line end": b'"a\nb"',
    "raw return": b'"a\rb"',
    "raw tab": b'"a\tb"',
    "raw NUL": b'"a\x00b"',
    "raw escape": b'"a\x1bb"',
    "raw unit separator": b'"a\x1fb"',
    "NUL by escape": b'"\\u0000"',
    "high half alone": b'"\\ud800"',
    "low half alone": b'"\\udc00"',
    "halves in the wrong order": b'"\\udc00\\ud800"',
    "high half before text": b'"\\ud800abc"',
    "high half twice": b'"\\ud83d\\ud83d"',
    "high half before an escape": b'"\\ud800\\n"',
    "concatenated": b'"a" "b"',
    "added": b'"a"+"b"',
    "triple quotes": b'"""a"""',
    "typographic quotes": "\u201ca\u201d".encode(),
    "bytes mark": b'b"a"',
    # Not UTF-8.
    "lone continuation": b'"\x80"',
    "lone lead": b'"\xc3"',
    "lead and text": b'"\xc3a"',
    "overlong slash": b'"\xc0\xaf"',
    "overlong NUL": b'"\xc0\x80"',
    "overlong in three": b'"\xe0\x80\xaf"',
    "encoded high half": b'"\xed\xa0\x80"',
    "encoded pair": b'"\xed\xa0\xbd\xed\xb8\x80"',
    "beyond U+10FFFF": b'"\xf4\x90\x80\x80"',
    "five octets": b'"\xf8\x88\x80\x80\x80"',
    "octet FE": b'"\xfe"',
    "octet FF": b'"\xff"',
    "Latin-1": "\u00e9".join('""').encode("latin-1"),
    # Arrays.
    "array without end": b"[1",
    "array without beginning": b"1]",
    "array of a comma": b"[,]",
    "array with a comma behind": b"[1,]",
    "array with a comma before": b"[,1]",
    "array with two commas": b"[1,,2]",
    "array without commas": b"[1 2]",
    "array with a semicolon": b"[1;2]",
    "array with a colon": b"[1:2]",
    "array in other brackets": b"(1)",
    "array closed as an object": b"[1}",
    "array closed twice": b"[1]]",
    "array of colons": b"[:]",
    "array unclosed inside": b"[[1]",
    "array with a star": b"[*]",
    # Objects.
    "object without end": b'{"a": 1',
    "object without a value": b'{"a":}',
    "object without a colon": b'{"a" 1}',
    "object with a comma for a colon": b'{"a", 1}',
    "object with an equals sign": b'{"a" = 1}',
    "object with an arrow": b'{"a" => 1}',
    "object with two colons": b'{"a":: 1}',
    "object of a name": b'{"a"}',
    "object with a comma behind": b'{"a": 1,}',
    "object with a comma before": b'{,"a": 1}',
    "object with two commas": b'{"a": 1,,"b": 2}',
    "object without commas": b'{"a": 1 "b": 2}',
    "object with a bare name": b"{a: 1}",
    "object with a number for a name": b"{1: 1}",
    "object with null for a name": b"{null: 1}",
    "object with an array for a name": b"{[1]: 1}",
    "object with an apostrophed name": b"{'a': 1}",
    "object closed as an array": b'{"a": 1]',
    "object closed twice": b'{"a": 1}}',
    "object with a name twice": b'{"a": 1, "a": 1}',
    "object with a name twice, once escaped": b'{"a": 1, "\\u0061": 2}',
    "object with a template": b"{{a}}",
    "object with a spread": b"{...a}",
    # Comments and white space that are none.
    "block comment": b"/* */ 1",
    "line comment": b"1 // a",
    "hash comment": b"1 # a",
    "open comment": b"1 /*",
    "form feed": b"\x0c1",
    "vertical tab": b"\x0b1",
    "non-breaking space": "\u00a01".encode(),
    "line separator": "\u20281".encode(),
    "zero width space": "\u200b1".encode(),
    "ideographic space": "\u30001".encode(),
    "word joiner": "\u20601".encode(),
    "mark inside": "[\ufeff1]".encode(),
    "delete": b"1\x7f",
    "NUL behind": b"1\x00",
}

BAD_TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "a space": b" ",
    "line ends": b"\r\n\r\n",
    "byte order mark": b"\xef\xbb\xbf{}",
    "only a byte order mark": b"\xef\xbb\xbf",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16, little": '{"a": 1}'.encode("utf-16-le"),
    "UTF-16, big": '{"a": 1}'.encode("utf-16-be"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "two texts": b"{}{}",
    "two lines": b"{}\n{}",
    "a text and a comma": b"{},",
    "record separator": b"\x1e{}\n",
    "padding": b")]}',\n{}",
    "a script": b"while(1);{}",
    "a call": b"callback({})",
    "a form": b"amount=1&currency=EUR",
    "XML": b"<?xml version='1.0'?><amount>1</amount>",
    "YAML": b"amount: 1\ncurrency: EUR\n",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00",
    "MessagePack": b"\x81\xa6amount\x01",
    "pickle": b"\x80\x04}\x94.",
    "arrays seventeen deep": b"[" * 17 + b"]" * 17,
    "arrays a thousand deep": b"[" * 1000 + b"]" * 1000,
    "arrays thirty thousand deep": b"[" * 30_000 + b"]" * 30_000,
    "thirty thousand opened": b"[" * 30_000,
    "thirty thousand closed": b"]" * 30_000,
    "objects thirty thousand wide and open": b'{"a":' * 10_000,
    "objects and arrays in turn": b'[{"a":' * 8_000 + b"1" + b"}]" * 8_000,
    "five thousand digits": b"9" * 5_000,
    "an exponent without bound": b"1e" + b"9" * 30,
}

MALFORMED = (
    BAD_TEXTS
    | BAD_VALUES
    | {f"element: {name}": b"[0, " + text + b"]" for name, text in BAD_VALUES.items()}
    | {f"member: {name}": b'{"amount": ' + text + b"}" for name, text in BAD_VALUES.items()}
)

ODD: dict[str, bytes] = {
    **{
        f"bare {text.decode()}": text for text in (b"null", b"true", b"false", b"0", b"-0", b'""', b"[]", b"{}", b'" "')
    },
    **{
        f"number {text.decode()}": text
        for text in (
            *(b"-0.0", b"0e0", b"0e+1", b"0E-1", b"1E+2", b"1e-9", b"123.456e78", b"1e400", b"-1e-400", b"0.00000001"),
            *(b"9007199254740993", b"18446744073709551616", b"1" * 300, b"0." + b"1" * 300),
        )
    },
    "white space all around": b" \t\r\n{ \t\r\n} \t\r\n",
    "an empty name": b'{"": 0}',
    "every short escape": rb'"\"\\\/\b\f\n\r\t"',
    "a pair of halves": b'"\\ud83d\\ude00"',
    "a letter by escape": b'"\\u0041\\u00e9"',
    "a name by escape": b'{"\\u0061mount": 1}',
    "an escaped slash": b'"a\\/b"',
    "the character DEL": b'"\x7f"',
    "a line separator": '"\u2028\u2029"'.encode(),
    "a noncharacter": '"\uffff\U0010ffff"'.encode(),
    "a right-to-left mark": '"\u202e"'.encode(),
    "a byte order mark inside": '"\ufeff"'.encode(),
    "names that differ by composition": '{"\u00e9": 1, "e\u0301": 2}'.encode(),
    "names that differ by case": b'{"a": 1, "A": 2}',
    "mixed array": b'[null, 1, "1", {}, [[]]]',
    "arrays sixteen deep": b"[" * 16 + b"]" * 16,
    "the name of a prototype": b'{"__proto__": {"a": 1}, "constructor": 1}',
    "brackets in a text": b'"' + b"[{" * 1000 + b'"',
    "many names": b"{" + b",".join(b'"n%d":0' % number for number in range(3000)) + b"}",
}


def test_the_table_is_as_long_as_it_says() -> None:
    assert len(BAD_TEXTS) + len(BAD_VALUES) >= 200
    assert len(MALFORMED) >= 500


def test_what_is_not_json_is_refused_and_never_an_error_of_ours(make_world: Callable[..., World]) -> None:
    world = make_world(changes={"rate_limit_capacity": 0})
    answers = {name: world.post(PATH, text) for name, text in MALFORMED.items()}
    wrong = {
        name: answer.status_code
        for name, answer in answers.items()
        if answer.status_code != 400 or answer.get_json()["type"] != "/docs#problem-malformed-json"
    }
    assert wrong == {}
    assert world.worker.batches == []


@pytest.mark.parametrize("path", ["/predictions/score/batch", "/labels"])
def test_other_routes_read_in_the_same_way(make_world: Callable[..., World], path: str) -> None:
    world = make_world(changes={"rate_limit_capacity": 0})
    assert {world.post(path, text).status_code for text in (BAD_TEXTS | BAD_VALUES).values()} == {400}


def test_what_is_odd_but_json_is_read(make_world: Callable[..., World]) -> None:
    """It is read, and then refused for what it says: none of it is a transaction."""
    world = make_world(changes={"rate_limit_capacity": 0})
    statuses = {name: world.post(PATH, text).status_code for name, text in ODD.items()}
    assert {name: status for name, status in statuses.items() if status != 422} == {}


@pytest.mark.parametrize("amount", [b"12.50", b'"12.50"', b"1250e-2", b"1.25E+1", b"12.5000", b"0.0125e3"])
def test_ways_to_write_one_amount_are_one_amount(make_world: Callable[..., World], amount: bytes) -> None:
    world = make_world()
    body = (
        b' {\n"transaction_id" : "t-1", "timestamp": 1.764e9, "customer_id": "\\u0063-1", "terminal_id": "p-1",'
        b'\t"currency": "EUR", "channel": "ecom", "amount": ' + amount + b"}\r\n"
    )
    answer = world.post(PATH, body)
    assert answer.status_code == 200
    assert str(world.worker.batches[0].requests[0].transaction.amount.normalize()) == "12.5"
