from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from ml.domain.errors import ArtifactError
from ml.serving.graph_check import NODE_LIMIT, OPERATORS, check_graph
from ml.training.trained_model import TrainedModel


def model(*nodes: onnx.NodeProto, **initializers: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes) or [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in initializers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def refusal(content: bytes) -> str:
    with pytest.raises(ArtifactError) as caught:
        check_graph(content)
    assert caught.value.check == "format"
    return str(caught.value)


def test_a_trained_graph_passes_and_uses_every_operator_on_the_list(trained: TrainedModel) -> None:
    content = trained.files()["model.onnx"]
    check_graph(content)
    assert {node.op_type for node in onnx.load_from_string(content).graph.node} == OPERATORS


def test_a_plain_graph_passes() -> None:
    check_graph(model(helper.make_node("Add", ["x", "a"], ["y"]), a=np.ones(3, np.float32)).SerializeToString())


@pytest.mark.parametrize(
    "operator",
    ["Loop", "Scan", "If", "ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize", "RandomNormal", "Einsum", ""],
)
def test_operators_that_training_does_not_export_are_refused(operator: str) -> None:
    assert "is not accepted" in refusal(model(helper.make_node(operator, ["x"], ["y"])).SerializeToString())


def test_operators_of_another_domain_are_refused() -> None:
    node = helper.make_node("Identity", ["x"], ["y"], domain="com.example")
    assert "com.example" in refusal(model(node).SerializeToString())


def nested() -> onnx.ModelProto:
    return model(helper.make_node("Identity", ["x"], ["y"], body=model().graph))


def nested_list() -> onnx.ModelProto:
    return model(helper.make_node("Identity", ["x"], ["y"], bodies=[model().graph]))


def functions() -> onnx.ModelProto:
    made = model()
    made.functions.append(
        helper.make_function("", "Add", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], [])
    )
    return made


def external() -> onnx.ModelProto:
    made = model(a=np.ones(3, np.float32))
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return made


def external_attribute() -> onnx.ModelProto:
    tensor = external().graph.initializer[0]
    return model(helper.make_node("Identity", ["x"], ["y"], value=tensor))


def sparse() -> onnx.ModelProto:
    made = model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**12]))
    return made


def crowd() -> onnx.ModelProto:
    return model(*(helper.make_node("Identity", ["x"], [f"y{number}"]) for number in range(NODE_LIMIT + 1)))


@pytest.mark.parametrize("make", [nested, nested_list, functions, external, external_attribute, sparse, crowd])
def test_graphs_that_are_not_complete_in_themselves_or_too_large_are_refused(make: Callable[[], Any]) -> None:
    refusal(make().SerializeToString())


def test_a_model_without_a_graph_or_with_two_is_refused() -> None:
    content = model().SerializeToString()
    refusal(b"")
    refusal(content + content)  # protocol buffers merge what is given twice


@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_an_error_of_another_kind(noise: bytes) -> None:
    refusal(noise)


@given(st.data())
def test_a_damaged_graph_is_refused_or_still_made_of_accepted_parts(data: st.DataObject) -> None:
    content = bytearray(nested().SerializeToString())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(ArtifactError):
        check_graph(bytes(content))
