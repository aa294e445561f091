"""The table of operators: nothing of the standard is missing, and the page made from it is current."""
import json

import numpy as np
import onnx
import pytest
from onnx import helper

# Experimental operators, removed with opset 10, that the onnx package no longer lists.
REMOVED = ["Affine", "ConstantFill", "Crop", "DynamicSlice", "GivenTensorFill", "ImageScaler", "ParametricSoftplus", "Scale", "ScaledTanh"]

# Of com.microsoft: what exported and optimised models contain.
CONTRIBUTED = """Attention BiasAdd BiasGelu BiasSplitGelu CDist CropAndResize DequantizeLinear DynamicQuantizeLSTM DynamicQuantizeMatMul
EmbedLayerNormalization ExpandDims FastGelu FusedConv FusedGemm FusedMatMul GatherBlockQuantized GatherND Gelu GridSample GroupNorm
GroupQueryAttention Inverse MatMulBnb4 MatMulIntegerToFloat MatMulNBits MultiHeadAttention NhwcConv NhwcFusedConv NhwcMaxPool Pad
QAttention QEmbedLayerNormalization QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearSigmoid QLinearSoftmax
QLinearWhere QuantizeLinear QuickGelu Range RotaryEmbedding SimplifiedLayerNormalization SkipGroupNorm SkipLayerNormalization
SkipSimplifiedLayerNormalization Tokenizer Trilu Unique WordConvEmbedding""".split()


@pytest.fixture(scope="module")
def table(slipway):
    return {(op["domain"], op["name"]): op["versions"] for op in json.loads(slipway("ops", "--json").stdout)}


def test_every_version_of_the_standard(table):
    missing = [
        f"{schema.domain or 'ai.onnx'} {schema.name} {schema.since_version}"
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.since_version not in table.get((schema.domain or "ai.onnx", schema.name), [])
        and not (schema.deprecated and (schema.domain or "ai.onnx", schema.name) in table)
    ]
    assert not missing
    assert len(table) > 270


def test_removed_and_contributed_operators(table):
    assert not [name for name in REMOVED if ("ai.onnx", name) not in table]
    assert not [name for name in CONTRIBUTED if ("com.microsoft", name) not in table]


def test_page_is_current(slipway, root):
    page = (root / "docs/ops.md").read_text()
    assert page == slipway("ops", "--markdown").stdout, "run 'slipway ops --markdown > docs/ops.md'"


def old_model(op, opset, inputs, **attributes):
    names = [f"x{i}" for i in range(len(inputs))]
    node = helper.make_node(op, names, ["y"], **attributes)
    kind = helper.np_dtype_to_tensor_dtype
    given = [helper.make_tensor_value_info(n, kind(x.dtype), x.shape) for n, x in zip(names, inputs, strict=True)]
    graph = helper.make_graph([node], "g", given, [onnx.ValueInfoProto(name="y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


def test_first_versions(verify):
    """Forms that onnxruntime does not read any more."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
    verify(old_model("Cast", 1, [x], to="INT32"), [x], [x.astype(np.int32)])
    tiles, axis = np.array(2, np.int64), np.array(1, np.int64)
    verify(old_model("Tile", 1, [x, tiles, axis]), [x, tiles, axis], [np.tile(x, (1, 2))])
    image = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    up = old_model("Upsample", 1, [image], height_scale=2.0, width_scale=2.0, mode="nearest")
    verify(up, [image], [image.repeat(2, 2).repeat(2, 3)])
    pooled = old_model("GlobalLpPool", 1, [image], p=1.0)
    verify(pooled, [image], [image.sum((2, 3), keepdims=True)])
    row = np.array([10, 20], np.float32)
    added = old_model("Add", 1, [x, row], broadcast=1, axis=0)
    verify(added, [x, row], [x + row[:, None]])
    relu = old_model("Relu", 1, [x], consumed_inputs=[0])
    verify(relu, [x], [np.maximum(x, 0)])


@pytest.mark.parametrize("op,gates", [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_first_recurrent_forms(slipway, tmp_path, op, gates):
    """Version 1 asks for its sequence by an attribute; the answer is that of version 7."""
    random = np.random.default_rng(0)
    x, w, r = (random.standard_normal(s).astype(np.float32) for s in [(4, 2, 3), (1, gates * 5, 3), (1, gates * 5, 5)])
    answers = []
    for opset, attributes in (1, {"output_sequence": 1}), (7, {}):
        onnx.save(old_model(op, opset, [x, w, r], hidden_size=5, **attributes), tmp_path / "model.onnx")
        arguments = []
        for i, value in enumerate((x, w, r)):
            np.save(tmp_path / f"{i}.npy", value)
            arguments += ["--input", f"x{i}={tmp_path / f'{i}.npy'}"]
        slipway("run", tmp_path / "model.onnx", *arguments, "--output-dir", tmp_path)
        answers.append(np.load(tmp_path / "y.npy"))
    np.testing.assert_array_equal(*answers)
