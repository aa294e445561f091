#!/usr/bin/env python3
"""Serve the recogniser, ask it one line of text over HTTP with Triton's own client, compare its answer with example_ocr's.

    ask.py SLIPWAY ENGINE MODEL.onnx LINE.f32       LINE.f32 is what example_ocr wrote; MODEL.onnx has the character list
"""
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import tritonclient.http as client

NAME, ROUNDS, READY_SECONDS = "recogniser", 20, 60


def read_line(path):
    """The input and the output of the local run."""
    data = open(path, "rb").read()
    width, steps, classes = np.frombuffer(data, np.int64, 3)
    values = np.frombuffer(data, np.float32, offset=24)
    split = 3 * 48 * width
    return values[:split].reshape(1, 3, 48, width), values[split:].reshape(1, steps, classes)


def decode(model, output):
    """CTC: the best class of each step, repeats taken together, blanks (class 0) left out."""
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    characters = ["", *metadata["character"].splitlines(), " "]
    best = output[0].argmax(-1)
    return "".join(characters[c] for c, before in zip(best, [0, *best]) if c not in (0, before))


def listening_port(server):
    """From what the server prints: 'listening on http://ADDRESS:PORT'."""
    for line in server.stdout:
        print(line, end="")
        if line.startswith("listening on "):
            return int(line.rsplit(":", 1)[1])
    sys.exit(f"ask: the server ended with status {server.wait()}")


def wait_until_ready(server, connection):
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            sys.exit(f"ask: the server ended with status {server.returncode}")
        try:
            if connection.is_model_ready(NAME):
                return
        except OSError:
            pass
        time.sleep(0.05)
    sys.exit(f"ask: the server was not ready within {READY_SECONDS} s")


def ask(connection, given):
    names = connection.get_model_metadata(NAME)
    tensor = client.InferInput(names["inputs"][0]["name"], given.shape, "FP32")
    tensor.set_data_from_numpy(given)
    output = names["outputs"][0]["name"]
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        answer = connection.infer(NAME, [tensor], outputs=[client.InferRequestedOutput(output)]).as_numpy(output)
        times.append(1e3 * (time.perf_counter() - start))
    return answer, times


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    program, engine, model, line = sys.argv[1:]
    given, local = read_line(line)
    command = [program, "serve", "--model", f"{NAME}={engine}", "--address", "127.0.0.1", "--http-port", "0", "--metrics-port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with client.InferenceServerClient(f"127.0.0.1:{listening_port(server)}") as connection:
            wait_until_ready(server, connection)
            answer, times = ask(connection, given)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    here, there = decode(model, local), decode(model, answer)
    difference = float(np.abs(answer - local).max())
    print(f"locally    {here}\nserved     {there}   (largest difference of a probability: {difference:.1g})")
    print(f"served     one line        first {times[0]:8.1f} ms   steady {min(times):8.1f} ms")
    if here != there or difference > 1e-5:
        sys.exit("ask: the server's answer differs from the local one")


if __name__ == "__main__":
    main()
