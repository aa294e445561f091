#!/usr/bin/env python3
"""Makes linear.onnx, the model of the small examples: y = relu(x * W + b), x is f32[batch,4], y is f32[batch,3]."""
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

weights = (np.arange(12, dtype=np.float32).reshape(4, 3) - 4) / 4
bias = np.array([0.5, 0, -0.5], np.float32)
graph = helper.make_graph(
    [helper.make_node("Gemm", ["x", "W", "b"], ["h"], "linear"), helper.make_node("Relu", ["h"], ["y"], "relu")], "linear",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
    [numpy_helper.from_array(weights, "W"), numpy_helper.from_array(bias, "b")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="slipway")
helper.set_model_props(model, {"labels": "low,middle,high"})
onnx.checker.check_model(model)
Path(__file__).with_name("linear.onnx").write_bytes(model.SerializeToString())
