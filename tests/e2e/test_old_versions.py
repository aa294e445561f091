"""Operators as old opsets have them: the suite's cases under every older version whose schema takes the node, and the forms whose
attributes became inputs, or that broadcast by axis, against NumPy."""
import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from test_operators import old_model

# The meaning changed: the flattening Softmax family, statistics and masks of training by default, broadcasting, random numbers.
CHANGED = {"Softmax", "LogSoftmax", "Hardmax", "BatchNormalization", "Dropout", "PRelu", "Bernoulli", "If", "Loop"}


def takes(schema, node, types):
    attributes = {a.name: a for a in node.attribute}
    known = all(name in schema.attributes and schema.attributes[name].type.value == a.type for name, a in attributes.items())
    given = all(name in attributes for name, a in schema.attributes.items() if a.required)
    ports = schema.min_input <= len(node.input) <= schema.max_input and len(node.output) <= schema.max_output
    return known and given and ports and all(
        types[name] in schema.inputs[min(i, len(schema.inputs) - 1)].types for i, name in enumerate(node.input) if name in types
    )


def test_suite_under_older_opsets(slipway, suite, tmp_path):
    tolerances = {c["path"]: (c["rtol"], c["atol"]) for c in json.loads((suite / "manifest.json").read_text())["cases"]}
    history = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        history.setdefault((schema.domain, schema.name), []).append(schema)
    cases, covered = [], set()
    for folder in sorted((suite / "node").iterdir()):
        model = onnx.load(folder / "model.onnx")
        node = model.graph.node[0]
        domains = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
        if len(model.graph.node) != 1 or node.op_type in CHANGED or node.domain not in domains or "_expanded" in folder.name:
            continue
        newest = onnx.defs.get_schema(node.op_type, domains[node.domain], node.domain).since_version
        types = {v.name: f"tensor({TensorProto.DataType.Name(v.type.tensor_type.elem_type).lower()})"
                 for v in model.graph.input if v.type.WhichOneof("value") == "tensor_type"}
        for schema in history[node.domain, node.op_type]:
            if schema.since_version >= newest or schema.deprecated or not takes(schema, node, types):
                continue
            path = f"{folder.name}-{schema.since_version}"
            shutil.copytree(folder, tmp_path / path)
            for entry in model.opset_import:
                if entry.domain == node.domain:
                    entry.version = schema.since_version
            (tmp_path / path / "model.onnx").write_bytes(model.SerializeToString())
            rtol, atol = tolerances[f"node/{folder.name}"]
            cases.append({"path": path, "rtol": rtol, "atol": atol})
            covered.add((node.op_type, schema.since_version))
    (tmp_path / "manifest.json").write_text(json.dumps({"cases": cases}))
    assert len(covered) > 300
    assert slipway("verify", tmp_path).stdout.endswith(f"{len(cases)} passed, 0 failed\n")


RANDOM = np.random.default_rng(0)


def noise(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


X, IMAGE, ROW = noise(2, 3, 4), noise(1, 8, 2, 3), noise(3)
SCALE, SHIFT, MEAN, SPREAD = noise(3, 4), noise(3, 4), noise(3, 4), np.abs(noise(3, 4)) + 0.5
SUMS = {
    "ReduceL1": lambda x, axes: np.abs(x).sum(axes, keepdims=True),
    "ReduceL2": lambda x, axes: np.sqrt((x * x).sum(axes, keepdims=True)),
    "ReduceLogSumExp": lambda x, axes: np.log(np.exp(x).sum(axes, keepdims=True)),
    "ReduceMean": lambda x, axes: x.mean(axes, keepdims=True),
    "ReduceMax": lambda x, axes: x.max(axes, keepdims=True),
    "ReduceProd": lambda x, axes: x.prod(axes, keepdims=True),
    "ReduceSumSquare": lambda x, axes: (x * x).sum(axes, keepdims=True),
}
# operator, opset, inputs, what comes out, attributes
FORMS = [
    ("Clip", 1, [X], np.clip(X, -0.5, 0.5), {"min": -0.5, "max": 0.5, "consumed_inputs": [0]}),
    ("Clip", 6, [X], np.maximum(X, 0.2), {"min": 0.2}),
    ("DepthToSpace", 1, [IMAGE], IMAGE.reshape(1, 2, 2, 2, 2, 3).transpose(0, 3, 4, 1, 5, 2).reshape(1, 2, 4, 6), {"blocksize": 2}),
    ("Dropout", 6, [X], X, {"ratio": 0.4, "is_test": 1}),
    ("Dropout", 10, [X], X, {"ratio": 0.4}),
    ("GlobalLpPool", 2, [IMAGE], (np.abs(IMAGE) ** 3).sum((2, 3), keepdims=True) ** (1 / 3), {"p": 3}),
    ("Pad", 1, [X], np.pad(X, ((1, 0), (0, 2), (1, 1)), constant_values=0.5), {"paddings": [1, 0, 1, 0, 2, 1], "value": 0.5}),
    ("Pad", 2, [X], np.pad(X, ((0, 0), (1, 2), (1, 1)), mode="reflect"), {"pads": [0, 1, 1, 0, 2, 1], "mode": "reflect"}),
    ("Reshape", 1, [X], X.reshape(2, 12), {"shape": [0, -1], "consumed_inputs": [0]}),
    ("Slice", 1, [X], X[:, 1:3, -2:], {"starts": [1, -2], "ends": [3, 100], "axes": [1, 2]}),
    ("Squeeze", 1, [X[:1]], X[0], {"axes": [0]}),
    ("Unsqueeze", 1, [X], X[:, None], {"axes": [1]}),
    ("Concat", 1, [X, X], np.concatenate([X, X], 1), {}),
    ("Split", 2, [X[:, :2]], X[:, :1], {"axis": 1, "split": [1, 1]}),
    ("PRelu", 6, [X, ROW], np.where(X < 0, X * ROW[:, None], X), {}),
    ("BatchNormalization", 7, [X, SCALE, SHIFT, MEAN, SPREAD], (X - MEAN) / np.sqrt(SPREAD + 1e-5) * SCALE + SHIFT, {"spatial": 0}),
    ("BatchNormalization", 6, [X, SCALE, SHIFT, MEAN, SPREAD], (X - MEAN) / np.sqrt(SPREAD + 1e-5) * SCALE + SHIFT, {"spatial": 0, "is_test": 1}),
    ("Pow", 1, [np.abs(X), ROW], np.abs(X) ** ROW[:, None], {"broadcast": 1, "axis": 1}),
    ("Greater", 1, [X, ROW], X > ROW[:, None], {"broadcast": 1, "axis": 1}),
    ("And", 1, [X > 0, ROW > 0], (X > 0) & (ROW > 0)[:, None], {"broadcast": 1, "axis": 1}),
    ("Sum", 1, [X, X], X + X, {"consumed_inputs": [0, 0]}),
    ("Selu", 1, [X], 1.0507 * np.where(X < 0, 1.6732 * (np.exp(X) - 1), X), {"consumed_inputs": [0]}),
    ("Softmax", 1, [X], (np.exp(X) / np.exp(X).sum((1, 2), keepdims=True)), {}),
    *((name, 1, [X, ROW], f(X, ROW[:, None]), {"broadcast": 1, "axis": 1, "consumed_inputs": [0, 0]})
      for name, f in (("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide))),
    *((name, opset, [X], f(X, (0, 2)), {"axes": [0, 2]}) for name, f in SUMS.items() for opset in (1, 11, 13)),
    *((name, 13, [X], f(X, None), {}) for name, f in SUMS.items()),
]


@pytest.mark.parametrize("op,opset,inputs,expected,attributes", FORMS, ids=[f"{f[0]}-{f[1]}-{i}" for i, f in enumerate(FORMS)])
def test_old_forms(verify, op, opset, inputs, expected, attributes):
    model = old_model(op, opset, inputs, **attributes)
    if op == "Split":
        model.graph.node[0].output.append("rest")
    verify(model, inputs, [expected.astype(bool if expected.dtype == bool else np.float32)])


def test_scan_of_opset_8_with_lengths(verify):
    """Each row of the batch has steps of its own number; zeros stand behind them."""
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "i"], ["t"]), helper.make_node("Identity", ["t"], ["o"])], "body",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in "si"], [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in "to"])
    lengths, start, rows = np.array([5, 2, 3], np.int64), np.zeros((3, 2), np.float32), noise(3, 5, 2)
    model = old_model("Scan", 8, [lengths, start, rows], body=body, num_scan_inputs=1)
    model.graph.node[0].output.append("z")
    model.graph.output.append(onnx.ValueInfoProto(name="z"))
    steps = np.stack([np.concatenate([row[:n].cumsum(0), np.zeros((5 - n, 2), np.float32)]) for row, n in zip(rows, lengths, strict=True)])
    verify(model, [lengths, start, rows], [np.stack([row[:n].sum(0) for row, n in zip(rows, lengths, strict=True)]), steps])
