"""The program runs where a newer CPU's instructions would trap: qemu stands in for a CPU without AVX, and for one with
AVX2 but without AVX-512. Nothing may be compiled or jitted above what the CPU reports."""
import os
import shutil
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

QEMU = shutil.which("qemu-x86_64")
CPUS = {"Westmere": "portable", "Haswell": "avx2"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Conv, pooling, GEMM, softmax and a transcendental: a kernel of each kind."""
    rng = np.random.default_rng(1)

    def weight(name, *dims):
        return numpy_helper.from_array(rng.standard_normal(dims, np.float32) * np.float32(0.3), name)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c0"], ["r0"]),
         helper.make_node("Conv", ["r0", "w1"], ["c1"], pads=[1, 1, 1, 1], group=8), helper.make_node("Sigmoid", ["c1"], ["s1"]),
         helper.make_node("MaxPool", ["s1"], ["p"], kernel_shape=[2, 2], strides=[2, 2]), helper.make_node("Flatten", ["p"], ["f"]),
         helper.make_node("Gemm", ["f", "w2", "b2"], ["g"], transB=1), helper.make_node("Softmax", ["g"], ["y"], axis=1)],
        "tiny", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [weight("w0", 8, 3, 3, 3), weight("b0", 8), weight("w1", 8, 1, 3, 3), weight("w2", 10, 288), weight("b2", 10)])
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 is missing (Debian package qemu-user)")
@pytest.mark.parametrize("cpu", CPUS)
def test_emulated_cpu(program, sanitized, model, tmp_path, cpu):
    if sanitized:
        pytest.skip("a sanitizer's shadow memory does not fit into qemu")
    x = np.random.default_rng(2).standard_normal((1, 3, 12, 12)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    environment = {k: v for k, v in os.environ.items() if k != "SLIPWAY_MAX_ISA"}
    command = [QEMU, "-cpu", cpu, program]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, env=environment, timeout=120)
    assert version.returncode == 0, version.stderr
    assert CPUS[cpu] in version.stdout
    done = subprocess.run([*command, "run", model, "--input", f"x={tmp_path}/x.npy", "--output-dir", tmp_path],
                          capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    expected, = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1e-4, atol=1e-6)
