"""A folder of models: the layout, the index, loading and unloading by an unmodified client."""
import shutil
import threading

import numpy as np
import pytest
import tritonclient.http
from conftest import ADD, save_add
from tritonclient.utils import InferenceServerException

INFER = "/v2/models/{}/infer"


@pytest.fixture
def folder(tmp_path, slipway):
    save_add(tmp_path / "plain.onnx")
    (tmp_path / "triton" / "2").mkdir(parents=True)
    (tmp_path / "triton" / "config.pbtxt").write_text('platform: "onnxruntime_onnx"\n')
    shutil.copy(tmp_path / "plain.onnx", tmp_path / "triton" / "2" / "model.onnx")
    (tmp_path / "engine" / "1").mkdir(parents=True)
    slipway("build", tmp_path / "plain.onnx", "-o", tmp_path / "engine" / "1" / "model.slip")
    return tmp_path


def states(client):
    return {m["name"]: (m["version"], m["state"]) for m in client.get_model_repository_index()}


def test_all_are_loaded_at_the_start(serve, folder):
    server = serve("--model-repository", folder)
    client = tritonclient.http.InferenceServerClient(server.url)
    assert states(client) == {"engine": ("1", "READY"), "plain": ("1", "READY"), "triton": ("2", "READY")}
    for name in ("engine", "plain", "triton"):
        assert server.post(INFER.format(name), ADD)[0] == 200
    assert client.get_model_metadata("triton")["versions"] == ["2"]
    assert client.is_model_ready("triton", "2") and not client.is_model_ready("triton", "1")
    with pytest.raises(InferenceServerException, match="--model-control-mode explicit"):
        client.unload_model("plain")


def test_a_model_that_does_not_load_stops_the_start(slipway, folder):
    (folder / "broken").mkdir()
    done = slipway("serve", "--model-repository", folder, "--http-port", 0, "--metrics-port", 0, status=1)
    assert "broken has no version" in done.stderr and len(done.stderr.splitlines()) == 1


def test_explicit_control(serve, folder):
    server = serve("--model-repository", folder, "--model-control-mode", "explicit", "--load-model", "plain")
    client = tritonclient.http.InferenceServerClient(server.url)
    assert states(client) == {"engine": ("1", "UNAVAILABLE"), "plain": ("1", "READY"), "triton": ("2", "UNAVAILABLE")}
    assert server.post(INFER.format("triton"), ADD)[0] == 404
    client.load_model("triton")
    assert client.is_model_ready("triton") and server.post(INFER.format("triton"), ADD)[0] == 200

    (folder / "triton" / "3").mkdir()
    shutil.copy(folder / "plain.onnx", folder / "triton" / "3" / "model.onnx")
    client.load_model("triton")
    assert states(client)["triton"] == ("3", "READY") and client.is_model_ready("triton", "3")

    (folder / "triton" / "4").mkdir()
    (folder / "triton" / "4" / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(InferenceServerException):
        client.load_model("triton")
    assert states(client)["triton"] == ("3", "READY") and server.post(INFER.format("triton"), ADD)[0] == 200

    client.unload_model("triton")
    assert not client.is_model_ready("triton") and server.post(INFER.format("triton"), ADD)[0] == 404
    for name in ("none", "../plain", "triton/3"):
        with pytest.raises(InferenceServerException):
            client.load_model(name)
    with pytest.raises(InferenceServerException, match="as it lies in the model repository"):
        client.load_model("plain", config="{}")


def test_requests_go_on_while_models_change(serve, folder):
    server = serve("--model-repository", folder, "--model-control-mode", "explicit", "--load-model", "*")
    client = tritonclient.http.InferenceServerClient(server.url, connection_timeout=120, network_timeout=120)
    ending, codes = threading.Event(), set()

    def work():
        while not ending.is_set():
            codes.add(server.post(INFER.format("plain"), ADD)[0])
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        client.load_model("plain")
    ending.set()
    for thread in threads:
        thread.join()
    assert codes == {200}
    assert server.stop() == 0


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def test_memory_comes_back(serve, tmp_path, sanitized):
    if sanitized:
        pytest.skip("sanitizers keep freed memory")
    onnx, helper = pytest.importorskip("onnx"), pytest.importorskip("onnx.helper")
    size = 3000
    weight = onnx.numpy_helper.from_array(np.random.default_rng(1).standard_normal((size, size), np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", size])],
                              [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", size])], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "big.onnx")
    server = serve("--model-repository", tmp_path, "--model-control-mode", "explicit")
    client = tritonclient.http.InferenceServerClient(server.url)
    x = tritonclient.http.InferInput("x", [4, size], "FP32")
    x.set_data_from_numpy(np.ones((4, size), np.float32))
    sizes = []
    for _ in range(4):
        client.load_model("big")
        client.infer("big", [x])
        loaded = resident_kib(server)
        client.unload_model("big")
        with pytest.raises(InferenceServerException):
            client.unload_model("big")  # after it the first one has wholly ended
        sizes.append(resident_kib(server))
    assert loaded - sizes[-1] > 30 << 10, (loaded, sizes)
    assert sizes[-1] - sizes[0] < 8 << 10, sizes
