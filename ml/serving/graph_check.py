"""Checks the nodes of a model's graph before anything runs it.

A graph is a program: loops, nested graphs and operators that make tensors out of a shape let a file of a hundred bytes
run for ever or ask for terabytes; references to other files let it read them. The trainer's graphs need none of that,
so only the operators they do need are accepted. The file is read as plain protocol buffers, without the ONNX package,
which serving processes do not have.

Source: the wire format, https://protobuf.dev/programming-guides/encoding/; field numbers, onnx.proto of ONNX 1.17.
"""

from collections.abc import Iterator

from ml.domain.errors import ArtifactError

OPERATORS = frozenset(
    {
        *("Add", "Clip", "Concat", "Div", "Exp", "Gather", "GatherElements", "Gemm", "Identity", "LSTM", "Log"),
        *("MatMul", "Max", "Mul", "Neg", "ReduceMean", "ReduceSum", "Relu", "Sigmoid", "Softplus", "Squeeze"),
        *("Sub", "TopK", "Transpose", "TreeEnsembleRegressor"),
    }
)
"""Every operator that training exports; a test compares them with a trained model's."""

DOMAINS = frozenset({"", "ai.onnx.ml"})
NODE_LIMIT = 1_000
"""A trained graph has about 80 nodes; each node can multiply the cost of a run."""

_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_GRAPHS = (6, 11)
_ATTRIBUTE_TENSORS = (5, 10)
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14


def check_graph(content: bytes) -> None:
    """Returns if the bytes are an ONNX model of known operators that is complete in itself.

    Raises:
        ArtifactError: check `format`.
    """
    try:
        _check_model(memoryview(content))
    except (ValueError, IndexError) as error:
        raise ArtifactError("format", f"model.onnx is not an acceptable graph: {error}") from None


def _check_model(model: memoryview) -> None:
    graphs = 0
    for field, value in _fields(model):
        if field == _MODEL_FUNCTIONS:
            raise ValueError("it defines functions of its own")
        if field == _MODEL_GRAPH:
            graphs += 1
            _check_nodes(_message(value))
    if graphs != 1:
        raise ValueError(f"it holds {graphs} graphs")


def _check_nodes(graph: memoryview) -> None:
    nodes = 0
    for field, value in _fields(graph):
        if field == _GRAPH_NODE:
            nodes += 1
            _check_node(_message(value))
        elif field == _GRAPH_INITIALIZER:
            _check_tensor(_message(value))
        elif field == _GRAPH_SPARSE:
            raise ValueError("it holds sparse tensors")
    if not 0 < nodes <= NODE_LIMIT:
        raise ValueError(f"it has {nodes} nodes, at most {NODE_LIMIT} are accepted")


def _check_node(node: memoryview) -> None:
    operator, domain = "", ""
    for field, value in _fields(node):
        if field == _NODE_OPERATOR:
            operator = _text(value)
        elif field == _NODE_DOMAIN:
            domain = _text(value)
        elif field == _NODE_ATTRIBUTE:
            _check_attribute(_message(value))
    if operator not in OPERATORS or domain not in DOMAINS:
        raise ValueError(f"operator {operator[:40]!r} of domain {domain[:40]!r} is not accepted")


def _check_attribute(attribute: memoryview) -> None:
    for field, value in _fields(attribute):
        if field in _ATTRIBUTE_GRAPHS:
            raise ValueError("a node holds a graph of its own")
        if field in _ATTRIBUTE_TENSORS:
            _check_tensor(_message(value))


def _check_tensor(tensor: memoryview) -> None:
    for field, value in _fields(tensor):
        if field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0):
            raise ValueError("a tensor lies in another file")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yields a message's fields: a number for a varint, bytes for everything else."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("it is no protocol buffer")
        if at + size > len(message):
            raise ValueError("it is cut off")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is no protocol buffer")


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("it is no protocol buffer")  # noqa: TRY004 - malformed input, not a wrong call
    return value


def _text(value: memoryview | int) -> str:
    return bytes(_message(value)).decode(errors="replace")
