"""Served models and the running server, as every test here wants them."""
import json
import signal
import socket
import subprocess

import onnx
import pytest
from onnx import TensorProto, helper

ADD = {"inputs": [{"name": "a", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]},
                  {"name": "b", "shape": [1, 3], "datatype": "FP32", "data": [[1, 2, 3]]}]}
FOREVER = 1 << 60


def spin(rounds):
    """A request that keeps the model `spin` busy: each million rounds take about a second or more."""
    return {"inputs": [{"name": "rounds", "shape": [], "datatype": "INT64", "data": [rounds]}]}


def save(path, nodes, inputs, outputs):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [info(*i) for i in inputs], [info(*o) for o in outputs])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def save_add(path):
    f32 = TensorProto.FLOAT
    save(path, [helper.make_node("Add", ["a", "b"], ["sum"])], [("a", f32, ["n", 3]), ("b", f32, ["n", 3])],
         [("sum", f32, ["n", 3])])


def save_spin(path):
    """last = the number of rounds: as slow as its input says."""
    info = helper.make_tensor_value_info
    i64, flag = TensorProto.INT64, TensorProto.BOOL
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "one"], ["w"])],
                             "body", [info("i", i64, []), info("go", flag, []), info("v", i64, [])],
                             [info("on", flag, []), info("w", i64, [])],
                             [helper.make_tensor("one", i64, [], [1])])
    constants = [helper.make_node("Constant", [], ["go"], value=helper.make_tensor("t", flag, [], [True])),
                 helper.make_node("Constant", [], ["zero"], value=helper.make_tensor("z", i64, [], [0]))]
    save(path, constants + [helper.make_node("Loop", ["rounds", "go", "zero"], ["last"], body=body)], [("rounds", i64, [])],
         [("last", i64, [])])


class Server:
    """A running `slipway serve` on free ports."""

    def __init__(self, program, *options, models=()):
        named = [a for f in models for a in ("--model", f"{f.stem}={f}")]
        self.process = subprocess.Popen([str(program), "serve", "--http-port", "0", "--metrics-port", "0", *named, *map(str, options)],
                                        stdout=subprocess.PIPE, text=True)
        self.metrics = self.process.stdout.readline().split("http://")[-1].strip()
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://"), line
        self.url = line.split("http://")[1].strip()
        self.address = (self.url.split(":")[0], int(self.url.split(":")[1]))

    def connect(self):
        return socket.create_connection(self.address, timeout=30)

    def raw(self, text, count=1):
        """Sends bytes and reads until the server closes or `count` replies came."""
        with self.connect() as s:
            s.sendall(text)
            got = b""
            while got.count(b"HTTP/1.1 ") < count or not got.endswith((b"}", b"]")):
                part = s.recv(65536)
                if not part:
                    break
                got += part
            return got

    def post(self, path, body, headers=""):
        """Status, body and headers of one POST."""
        got = self.raw(request(path, body, headers))
        head, _, rest = got.partition(b"\r\n\r\n")
        return int(head.split()[1]), rest.decode(), head.decode()

    def statistics(self, model):
        got = self.raw(f"GET /v2/models/{model}/stats HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return json.loads(got.partition(b"\r\n\r\n")[2])["model_stats"][0]["inference_stats"]

    def metric(self, name):
        """Value of one line of /metrics."""
        host, port = self.metrics.split("/")[0].split(":")
        with socket.create_connection((host, int(port)), timeout=20) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        found = [line.split()[1] for line in text.splitlines() if line.startswith(name + " ")]
        assert found, f"{name} is not in\n{text}"
        return float(found[0])

    def stop(self, timeout=60):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


def request(path, body, headers="", method="POST"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@pytest.fixture
def serve(program):
    """serve(*options, models=[...]): a Server that ends with the test."""
    servers = []

    def start(*options, models=()):
        servers.append(Server(program, *options, models=models))
        return servers[-1]
    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()
