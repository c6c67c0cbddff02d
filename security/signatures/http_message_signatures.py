"""HTTP Message Signatures (RFC 9421): the two headers, and the bytes that are signed.

Only a narrow form of the headers is accepted: one signature, plain component names without parameters, in canonical
form, so that the text of `Signature-Input` is itself the last line that is signed.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from security.errors import SignatureRejectedError

_LABEL = r"[a-z*][a-z0-9_.*-]{0,63}"
_COMPONENT = r'"[a-z0-9@!#$%&\'*+.^_`|~-]{1,64}"'
_PARAMETER = r';[a-z]{1,16}=(?:0|[1-9][0-9]{0,14}|"[ !#-\[\]-~]{0,256}")'
_INPUT = re.compile(rf"({_LABEL})=(\(({_COMPONENT}(?: {_COMPONENT}){{0,31}})?\)((?:{_PARAMETER}){{0,8}}))")
_ONE_PARAMETER = re.compile(_PARAMETER)
_SIGNATURE = re.compile(rf"({_LABEL})=:([A-Za-z0-9+/]{{2,512}}={{0,2}}):")
_TARGET = re.compile(r"/[!-\"$-~]*")  # origin form: printable, no fragment
_FIELD_VALUE = re.compile(r"[\t -~]*")
_NUMBERS = frozenset({"created", "expires"})
_TEXTS = frozenset({"keyid", "alg", "nonce", "tag"})
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """A request as it came.

    Attributes:
        method: as on the request line.
        scheme: `http` or `https`, as the client sees it.
        authority: the `Host` header.
        target: path with query, raw as on the request line.
        field: returns a header by its lower-case name; None if it was not sent.
    """

    method: str
    scheme: str
    authority: str
    target: str
    field: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """One signature's components and parameters.

    Attributes:
        label: the name that ties `Signature-Input` and `Signature` together.
        components: the covered components, in order.
        numbers: `created` and `expires`, epoch seconds.
        texts: `keyid`, `alg`, `nonce` and `tag`.
        text: the header without the label, as it is signed.
    """

    label: str
    components: tuple[str, ...]
    numbers: Mapping[str, int]
    texts: Mapping[str, str]
    text: str


def parse_input(header: str) -> SignatureInput:
    """Returns the signature input of a `Signature-Input` header.

    Raises:
        SignatureRejectedError: `signature_malformed`: it is not exactly one signature in canonical form.
    """
    match = _INPUT.fullmatch(header)
    if match is None:
        raise SignatureRejectedError("signature_malformed")
    components = tuple(name.strip('"') for name in (match[3] or "").split(" ") if name)
    numbers: dict[str, int] = {}
    texts: dict[str, str] = {}
    for parameter in _ONE_PARAMETER.findall(match[4]):
        name, _, value = parameter[1:].partition("=")
        is_text = value.startswith('"')
        if name in numbers or name in texts or name not in (_TEXTS if is_text else _NUMBERS):
            raise SignatureRejectedError("signature_malformed")
        if is_text:
            texts[name] = value[1:-1]
        else:
            numbers[name] = int(value)
    if len(set(components)) != len(components):
        raise SignatureRejectedError("signature_malformed")
    return SignatureInput(match[1], components, numbers, texts, match[2])


def parse_signature(header: str, label: str) -> bytes:
    """Returns the signature under a label.

    Raises:
        SignatureRejectedError: `signature_malformed`: not exactly one signature of this label in canonical base64.
    """
    match = _SIGNATURE.fullmatch(header)
    if match is None or match[1] != label:
        raise SignatureRejectedError("signature_malformed")
    try:
        signature = b64decode(match[2], validate=True)
    except ValueError as error:
        raise SignatureRejectedError("signature_malformed") from error
    if b64encode(signature).decode() != match[2]:
        raise SignatureRejectedError("signature_malformed")
    return signature


def signature_base(message: HttpMessage, signature_input: SignatureInput) -> bytes:
    """Returns the bytes that are signed. Source: RFC 9421 section 2.5.

    Raises:
        SignatureRejectedError: `signature_component`: a component is unknown, missing or not printable.
    """
    lines = [f'"{name}": {_value(message, name)}\n' for name in signature_input.components]
    return f'{"".join(lines)}"@signature-params": {signature_input.text}'.encode("ascii")


def _value(message: HttpMessage, name: str) -> str:
    if not name.startswith("@"):
        value = message.field(name)
        if value is None or not _FIELD_VALUE.fullmatch(value):
            raise SignatureRejectedError("signature_component")
        return value.strip(" \t")
    derive = _DERIVED.get(name)
    if derive is None or not _TARGET.fullmatch(message.target) or not _FIELD_VALUE.fullmatch(message.authority):
        raise SignatureRejectedError("signature_component")
    return derive(message)


def _authority(message: HttpMessage) -> str:
    return message.authority.lower().removesuffix(_DEFAULT_PORTS.get(message.scheme, ""))


_DERIVED: Mapping[str, Callable[[HttpMessage], str]] = {
    "@method": lambda message: message.method,
    "@scheme": lambda message: message.scheme,
    "@authority": _authority,
    # As the client named the host: RFC 9110 section 7.1 takes the Host header as it is, unlike `@authority`.
    "@target-uri": lambda message: f"{message.scheme}://{message.authority}{message.target}",
    "@request-target": lambda message: message.target,
    "@path": lambda message: message.target.partition("?")[0],
    "@query": lambda message: "?" + message.target.partition("?")[2],
}
