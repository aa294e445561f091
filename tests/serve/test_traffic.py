"""What the network does to a server: full queues, slow, vanishing and greedy clients, pipelines, the end."""
import gzip
import json
import threading
import time
import zlib

import pytest
from conftest import ADD, FOREVER, request, save_add, save_spin, spin

INFER, SPIN = "/v2/models/add/infer", "/v2/models/spin/infer"


@pytest.fixture(scope="module")
def add(tmp_path_factory):
    path = tmp_path_factory.mktemp("add") / "add.onnx"
    save_add(path)
    return path


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    path = tmp_path_factory.mktemp("slow") / "spin.onnx"
    save_spin(path)
    return path


def until(what, seconds=20):
    begin = time.monotonic()
    while not what():
        assert time.monotonic() - begin < seconds, "it did not happen in time"
        time.sleep(0.02)


def pending(server):
    return server.metric('nv_inference_pending_request_count{model="spin",version="1"}')


def cancelled(server):
    return server.metric('nv_inference_request_failure{model="spin",reason="CANCELED",version="1"}')


def occupy(server, waiting, model_path=SPIN):
    """Sends 1 + `waiting` endless requests, so that one runs and the others wait; gives their sockets."""
    sockets = []
    for i in range(1 + waiting):
        sockets.append(server.connect())
        sockets[-1].sendall(request(model_path, spin(FOREVER)))
        time.sleep(0.1)
        until(lambda n=i: pending(server) == n)
    return sockets


def test_a_full_queue_says_when_to_come_back(serve, slow):
    server = serve("--queue", 2, models=[slow])
    sockets = occupy(server, 2)
    status, text, head = server.post(SPIN, spin(1))
    assert status == 503 and "2 requests waiting" in text and "Retry-After: 1" in head
    assert server.statistics("spin")["fail"]["count"] == 1
    assert server.metric('nv_inference_request_failure{model="spin",reason="REJECTED",version="1"}') == 1
    for s in sockets:
        s.close()
    until(lambda: server.post(SPIN, spin(1))[0] == 200)


def test_a_client_that_leaves_takes_its_request_along(serve, slow):
    server = serve(models=[slow])
    running, waiting = occupy(server, 1)
    running.close()
    until(lambda: cancelled(server) == 1)
    waiting.close()
    until(lambda: cancelled(server) == 2)
    status, text, _ = server.post(SPIN, spin(5))
    assert status == 200 and json.loads(text)["outputs"][0]["data"] == [5]


def test_those_that_left_do_not_fill_the_queue(serve, slow):
    server = serve("--queue", 2, models=[slow])
    sockets = occupy(server, 2)
    for s in sockets[1:]:
        s.close()
    time.sleep(0.3)
    with server.connect() as late:
        late.sendall(request(SPIN, spin(3)))
        until(lambda: cancelled(server) == 2)
        sockets[0].close()
        assert b" 200 OK" in late.recv(65536)


def test_a_timeout_ends_what_runs_and_what_waits(serve, slow):
    server = serve(models=[slow])
    for _ in range(2):
        status, text, _ = server.post(SPIN, {**spin(FOREVER), "parameters": {"timeout": 200_000}})
        assert status == 503 and "deadline" in text
    blocker, = occupy(server, 0)
    results = []

    def ask():
        results.append(server.post(SPIN, {**spin(1), "parameters": {"timeout": 1000}}))
    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: pending(server) == 1)
    time.sleep(0.05)
    blocker.close()
    thread.join()
    assert results[0][0] == 503 and "longer than its timeout of 1000 us" in results[0][1]


def test_pipelined_answers_keep_their_order(serve, add, slow):
    server = serve(models=[add, slow])
    bodies = [(SPIN, spin(20_000)), (INFER, ADD), (SPIN, spin(7)), ("/v2/models/none/infer", ADD), (INFER, ADD)] * 4
    many = b"".join(request(path, {**body, "id": str(i)}) for i, (path, body) in enumerate(bodies))
    got = server.raw(many, count=len(bodies))
    ids = [json.loads(part.partition(b"\r\n\r\n")[2]).get("id") for part in got.split(b"HTTP/1.1 ")[1:]]
    assert ids == [None if i % 5 == 3 else str(i) for i in range(len(bodies))]


def test_slow_clients_are_cut(serve, add):
    server = serve("--header-timeout", 1, "--body-timeout", 1, "--idle-timeout", 1, models=[add])
    whole = request(INFER, ADD)
    head = whole.index(b"\r\n\r\n") + 4
    for sent in (0, 9, head, head + 20):  # nothing, half the headers, all of them, half the body
        with server.connect() as s:
            s.sendall(whole[:sent])
            begin = time.monotonic()
            assert s.recv(100) == b""
            assert 0.5 < time.monotonic() - begin < 10, sent
    with server.connect() as s:  # bytes that keep dribbling do not buy time
        begin = time.monotonic()
        try:
            for byte in whole[:100]:
                s.sendall(bytes([byte]))
                time.sleep(0.05)
            assert s.recv(100) == b""
        except OSError:
            pass
        assert time.monotonic() - begin < 4
    with server.connect() as s:
        for _ in range(2):
            s.sendall(whole)
            assert b" 200 OK" in s.recv(65536)
        assert s.recv(100) == b""  # idle


def test_bodies_are_capped(serve, add):
    server = serve(models=[add])
    limit = 64 << 20
    assert b" 413 " in server.raw(f"POST {INFER} HTTP/1.1\r\nContent-Length: {limit + 1}\r\n\r\n".encode())
    assert b" 413 " in server.raw(f"POST {INFER} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5000000\r\n".encode())
    assert b" 431 " in server.raw(f"GET /v2 HTTP/1.1\r\nX: {'x' * 20000}\r\n\r\n".encode())
    padded = json.dumps(ADD).encode().ljust(limit)
    assert server.post(INFER, padded)[0] == 200
    assert server.post(INFER, padded + b" ")[0] == 413


def test_bodies_in_flight_share_a_bound(serve, add):
    server = serve("--request-memory", 64, models=[add])
    whole = request(INFER, json.dumps(ADD).encode().ljust(40 << 20))
    with server.connect() as holder:
        holder.sendall(whole[:-1])
        until(lambda: server.post(INFER, whole.partition(b"\r\n\r\n")[2])[0] == 503)
        status, text, head = server.post(INFER, ADD)
        assert status == 200, text
        status, text, head = server.post(INFER, json.dumps(ADD).encode().ljust(30 << 20))
        assert status == 503 and "leave no room" in text and "Retry-After: 1" in head
        holder.sendall(whole[-1:])
        assert b" 200 OK" in holder.recv(65536)
    status, text, _ = server.post(INFER, json.dumps(ADD).encode().ljust(40 << 20))
    assert status == 200, text


def peak_kib(server):
    with open(f"/proc/{server.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


@pytest.mark.parametrize("name, pack", [("gzip", lambda b: gzip.compress(b, 9)), ("deflate", lambda b: zlib.compress(b, 9))])
def test_bombs_are_defused(serve, add, sanitized, name, pack):
    server = serve(models=[add])
    before = peak_kib(server)
    bomb = pack(bytes(1 << 30))
    status, text, _ = server.post(INFER, bomb, f"Content-Encoding: {name}\r\n")
    assert status == 413 and "when decompressed" in text
    assert sanitized or peak_kib(server) - before < 300 << 10
    assert server.post(INFER, pack(json.dumps(ADD).encode()), f"Content-Encoding: {name}\r\n")[0] == 200


def test_the_end_waits_for_what_is_in_flight(serve, add):
    server = serve(models=[add])
    results = []

    def work():
        whole = request(INFER, ADD)
        with server.connect() as s:
            s.sendall(whole[:-20])
            time.sleep(1)
            s.sendall(whole[-20:])
            results.append(s.recv(65536))
    thread = threading.Thread(target=work)
    thread.start()
    with server.connect():  # an idle connection does not hold it up
        time.sleep(0.4)
        begin = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begin < 5
    thread.join()
    assert b"HTTP/1.1 200" in results[0] and b"Connection: close" in results[0]


def test_the_end_does_not_wait_forever(serve, slow):
    server = serve("--drain-timeout", 1, models=[slow])
    sockets = occupy(server, 3)
    begin = time.monotonic()
    assert server.stop() == 0
    assert 0.9 < time.monotonic() - begin < 8
    assert len(sockets) == 4
