"""A small writer of ONNX graphs: every component appends its nodes to the same graph.

Written by hand instead of through exporters, so that the served graph holds exactly the nodes that the formulas
name, and the same weights always give the same bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
"""The IR version that belongs to opset 17."""


class GraphBuilder:
    """Collects nodes and constants; all tensors are float32 and their first axis is the batch."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[int]) -> str:
        """Declares an input of shape [batch, *shape]."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]))
        return name

    def constant(self, values: ArrayLike) -> str:
        """Adds float32 values."""
        return self._initializer(np.asarray(values, dtype=np.float32))

    def integers(self, values: Sequence[int]) -> str:
        """Adds int64 values, as axes and slice bounds need them."""
        return self._initializer(np.asarray(values, dtype=np.int64))

    def linear(self, tensor: str, layer: Any) -> str:
        """Appends a torch linear layer."""
        weight, bias = (self.constant(values.detach().numpy()) for values in (layer.weight, layer.bias))
        return self.add("Gemm", tensor, weight, bias, transB=1)

    def linear_by_step(self, tensor: str, layer: Any) -> str:
        """Appends a torch linear layer over the last axis of [steps, batch, inputs]."""
        weight, bias = (values.detach().numpy() for values in (layer.weight, layer.bias))
        return self.add("Add", self.add("MatMul", tensor, self.constant(weight.T)), self.constant(bias))

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Appends a node with one output and returns that output's name; an input "" is left out."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def add_pair(self, operator: str, *inputs: str, **attributes: Any) -> tuple[str, str]:
        """Appends a node with two outputs and returns their names."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        outputs = (f"{name}_first", f"{name}_second")
        self._nodes.append(helper.make_node(operator, list(inputs), list(outputs), **attributes))
        return outputs

    def affine(self, tensor: str, *, scale: ArrayLike, shift: ArrayLike) -> str:
        """Returns tensor · scale + shift."""
        return self.add("Add", self.add("Mul", tensor, self.constant(scale)), self.constant(shift))

    def output(self, name: str, tensor: str, *, columns: int | None = None) -> None:
        """Declares an output: [batch, columns], or [batch] from a [batch, 1] tensor when columns is None."""
        if columns is None:
            node = helper.make_node("Squeeze", [tensor, self.integers([1])], [name])
        else:
            node = helper.make_node("Identity", [tensor], [name])
        self._nodes.append(node)
        shape: list[str | int] = ["batch"] if columns is None else ["batch", columns]
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def serialize(self, metadata: Mapping[str, str]) -> bytes:
        """Returns the checked model as bytes, with `metadata` readable through onnxruntime."""
        graph = helper.make_graph(self._nodes, "shrike", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="shrike")
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))

    def _initializer(self, values: np.ndarray[Any, Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name


class TreeTable:
    """The columns of one TreeEnsembleRegressor while they are being filled."""

    def __init__(self) -> None:
        self._nodes: dict[str, list[Any]] = {
            name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
        }
        self._targets: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}

    def branch(
        self, tree: int, node: int, *, feature: int, threshold: float, mode: str, true_node: int, false_node: int
    ) -> None:
        """Adds a split; `mode` is BRANCH_LT or BRANCH_LEQ and goes to `true_node` when it holds."""
        self._append(tree, node, feature, threshold, mode, true_node, false_node)

    def leaf(self, tree: int, node: int, weights: Mapping[int, float]) -> None:
        """Adds a leaf that adds each weight to its target column."""
        self._append(tree, node, 0, 0.0, "LEAF", 0, 0)
        for target, weight in weights.items():
            for name, value in zip(self._targets, (tree, node, target, float(weight)), strict=True):
                self._targets[name].append(value)

    def add_to(self, graph: GraphBuilder, vectors: str, *, targets: int, aggregate: str) -> str:
        """Appends the ensemble and returns its [batch, targets] output; `aggregate` is SUM or AVERAGE."""
        columns = {f"nodes_{name}": values for name, values in self._nodes.items()}
        columns |= {f"target_{name}": values for name, values in self._targets.items()}
        return graph.add(
            "TreeEnsembleRegressor",
            vectors,
            domain="ai.onnx.ml",
            n_targets=targets,
            aggregate_function=aggregate,
            post_transform="NONE",
            **columns,
        )

    def _append(self, *values: Any) -> None:
        for column, value in zip(self._nodes.values(), values, strict=True):
            column.append(value)
