"""The server as clients see it: tritonclient unmodified, and raw sockets for what a client library would not do."""
import gzip

import numpy as np
import pytest
from conftest import ADD, Server, save, save_add
from onnx import TensorProto, helper

tritonclient = pytest.importorskip("tritonclient.http")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("served")
    save_add(path / "add.onnx")
    for name in ("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FLOAT16", "DOUBLE", "STRING", "BFLOAT16"):
        kind = getattr(TensorProto, name)
        save(path / f"{name}.onnx", [helper.make_node("Identity", ["x"], ["y"])], [("x", kind, ["n"])], [("y", kind, ["n"])])
    return path


@pytest.fixture(scope="module")
def server(program, folder):
    s = Server(program, models=sorted(folder.glob("*.onnx")))
    yield s
    assert s.stop() == 0


@pytest.fixture
def client(server):
    with tritonclient.InferenceServerClient(server.url, concurrency=4) as c:
        yield c


def tensor(name, array, datatype, binary=True):
    t = tritonclient.InferInput(name, array.shape, datatype)
    t.set_data_from_numpy(array, binary_data=binary)
    return t


A = np.array([[1, 2, 3], [4, np.inf, np.nan]], np.float32)
B = np.array([[10, 20, 30], [40, 50, 60]], np.float32)


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("add")
    assert not client.is_model_ready("nothing")
    assert "statistics" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("add", "1")
    assert metadata["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1, 3]}
    assert metadata["platform"] == "slipway" and metadata["versions"] == ["1"]
    config = client.get_model_config("add")
    assert config["max_batch_size"] == 0 and config["input"][0]["data_type"] == "TYPE_FP32"
    assert {m["name"] for m in client.get_model_repository_index()} >= {"add", "BOOL"}


@pytest.mark.parametrize("into", [True, False])
@pytest.mark.parametrize("out", [True, False])
def test_infer(client, into, out):
    a = np.nan_to_num(A, nan=9, posinf=8) if not into else A
    result = client.infer("add", [tensor("a", a, "FP32", into), tensor("b", B, "FP32", not into or into)], request_id="7",
                          outputs=[tritonclient.InferRequestedOutput("sum", binary_data=out)])
    np.testing.assert_array_equal(result.as_numpy("sum"), a + B)
    assert result.get_response()["id"] == "7"


def test_json_not_a_number(client):
    result = client.infer("add", [tensor("a", A, "FP32"), tensor("b", B, "FP32")],
                          outputs=[tritonclient.InferRequestedOutput("sum", binary_data=False)])
    np.testing.assert_array_equal(result.as_numpy("sum"), A + B)


def test_async_and_compression(client):
    inputs = [tensor("a", A, "FP32"), tensor("b", B, "FP32")]
    waiting = [client.async_infer("add", inputs) for _ in range(16)]
    for w in waiting:
        np.testing.assert_array_equal(w.get_result().as_numpy("sum"), A + B)
    for way in ("gzip", "deflate"):
        result = client.infer("add", inputs, request_compression_algorithm=way, response_compression_algorithm=way)
        np.testing.assert_array_equal(result.as_numpy("sum"), A + B)


@pytest.mark.parametrize("model, datatype, array", [
    ("BOOL", "BOOL", np.array([True, False, True])), ("UINT8", "UINT8", np.array([0, 255], np.uint8)),
    ("UINT16", "UINT16", np.array([0, 65535], np.uint16)), ("UINT32", "UINT32", np.array([0, 2**32 - 1], np.uint32)),
    ("UINT64", "UINT64", np.array([0, 2**64 - 1], np.uint64)), ("INT8", "INT8", np.array([-128, 127], np.int8)),
    ("INT16", "INT16", np.array([-32768, 32767], np.int16)), ("INT32", "INT32", np.array([-2**31, 2**31 - 1], np.int32)),
    ("INT64", "INT64", np.array([-2**63, 2**63 - 1], np.int64)), ("FLOAT16", "FP16", np.array([0.5, -2], np.float16)),
    ("DOUBLE", "FP64", np.array([1 / 3, 1e300])), ("STRING", "BYTES", np.array([b"one", "zw\u00f6lf".encode(), b""], object))])
def test_types(client, model, datatype, array):
    for into in (True, False) if datatype != "FP16" else (True,):
        for out in (True, False):
            result = client.infer(model, [tensor("x", array, datatype, into)],
                                  outputs=[tritonclient.InferRequestedOutput("y", binary_data=out)]).as_numpy("y")
            got = [v.encode() if isinstance(v, str) else v for v in result]
            assert got == list(array), (into, out)


def test_classification(client):
    result = client.infer("add", [tensor("a", B, "FP32"), tensor("b", B, "FP32")],
                          outputs=[tritonclient.InferRequestedOutput("sum", class_count=2)]).as_numpy("sum")
    assert result.tolist() == [[b"60.000000:2", b"40.000000:1"], [b"120.000000:2", b"100.000000:1"]]


def ask(**change):
    a, b = ADD["inputs"]
    return {"inputs": [{**a, **change}, b]}


@pytest.mark.parametrize("change, part", [
    ({"name": "c"}, "it has 'a', 'b'"), ({"shape": [1, 4]}, "expects [-1,3]"), ({"shape": [3]}, "expects [-1,3]"),
    ({"shape": [-1, 3]}, "impossible"), ({"datatype": "INT32"}, "expects FP32"), ({"data": [1, 2]}, "needs 3"),
    ({"data": [1, 2, "x"]}, "cannot hold"), ({"data": 3}, "needs \\\"data\\\""), ({"shape": [2**40, 3]}, "impossible"),
    ({"parameters": {"binary_data_size": 12}}, "both"), ({"name": "b"}, "twice")])
def test_refused(server, change, part):
    status, text, _ = server.post("/v2/models/add/infer", ask(**change))
    assert status == 400 and part in text, text


def test_refused_otherwise(server):
    assert server.post("/v2/models/add/infer", ask())[0] == 200
    assert server.post("/v2/models/no/infer", ask())[0] == 404
    assert server.post("/v2/models/add/versions/2/infer", ask())[0] == 404
    assert server.post("/v2/nothing", ask())[0] == 404
    assert server.post("/v2/models/add", ask())[0] == 405
    assert server.post("/v2/models/add/infer", b"{")[0] == 400
    assert server.post("/v2/models/add/infer", b"[" * 101 + b"]" * 101)[0] == 400
    assert server.post("/v2/models/add/infer", ask(), "Inference-Header-Content-Length: 9999\r\n")[0] == 400
    assert server.post("/v2/models/add/infer", b"no gzip", "Content-Encoding: gzip\r\n")[0] == 400
    assert server.post("/v2/models/add/infer", gzip.compress(b" " * (65 << 20), 1), "Content-Encoding: gzip\r\n")[0] == 413
    assert b" 413 " in server.raw(b"POST /v2/models/add/infer HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
    assert b" 400 " in server.raw(b"nonsense\r\n\r\n")


def test_statistics_and_metrics(server, client):
    client.infer("add", [tensor("a", A, "FP32"), tensor("b", B, "FP32")])
    stats = client.get_inference_statistics("add")["model_stats"][0]
    assert stats["inference_stats"]["success"]["count"] >= 1 and stats["last_inference"] > 1e12
    assert server.metric('nv_inference_request_success{model="add",version="1"}') >= 1
    assert server.metric('nv_inference_request_failure{model="add",reason="REJECTED",version="1"}') == 0


@pytest.mark.parametrize("form", ["onnx", "slip"])
def test_file_changed_while_served(serve, slipway, folder, tmp_path, form):
    path = tmp_path / "add.onnx"
    path.write_bytes((folder / "add.onnx").read_bytes())
    if form == "slip":
        slipway("build", path, "-o", tmp_path / "add.slip")
        (tmp_path / "add.slip").rename(path)
    server = serve(models=[path])
    assert server.post("/v2/models/add/infer", ask())[0] == 200
    with open(path, "r+b") as f:
        f.write(b"\xff" * 64)
        f.truncate(64)
    status, text, _ = server.post("/v2/models/add/infer", ask(shape=[1, 3]))
    assert status == 200 and "[2,4,6]" in text
    assert server.stop() == 0
