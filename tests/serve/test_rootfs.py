"""The tree of deploy/rootfs is all that the server needs: it answers from inside a chroot that holds nothing else."""
import os
import shutil
import signal
import socket
import subprocess
import time

import numpy as np
import onnx
import pytest
import tritonclient.http
from onnx import TensorProto, helper


def save_model(path):
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot is for root")
@pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is missing (scripts/setup rootfs installs it)")
def test_the_server_answers_from_the_tree(root, program, sanitized, tmp_path):
    if sanitized:
        pytest.skip("the tree is made of the release build")
    if "  serve " not in subprocess.run([program, "--help"], capture_output=True, text=True).stdout:
        pytest.skip("this build has no server")
    tree = tmp_path / "rootfs"
    made = subprocess.run([root / "deploy/rootfs", program, tree], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    print(made.stdout)
    files = [f for f in tree.rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) < 64 << 20
    strays = [f for f in files if ".so" not in f.name and f.name not in ("slipway", "copyright")]
    assert strays == [] and [f.name for f in (tree / "usr/bin").iterdir()] == ["slipway"]

    save_model(tree / "models/double.onnx")
    port = free_port()
    server = subprocess.Popen(["chroot", tree, "/usr/bin/slipway", "serve", "--model", "double=/models/double.onnx",
                               "--http-port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        client = tritonclient.http.InferenceServerClient(f"127.0.0.1:{port}")
        deadline = time.monotonic() + 30
        while True:
            try:
                if client.is_server_ready():
                    break
            except OSError:
                pass
            assert server.poll() is None, server.stdout.read()
            assert time.monotonic() < deadline, "the server is not ready after 30 s"
            time.sleep(0.05)
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        tensor = tritonclient.http.InferInput("x", [2, 3], "FP32")
        tensor.set_data_from_numpy(x)
        np.testing.assert_array_equal(client.infer("double", [tensor]).as_numpy("y"), 2 * x)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=15) == 0
    finally:
        server.kill()
        server.wait()
