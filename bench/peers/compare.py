#!/usr/bin/env python3
"""Time slipway and its peers side by side on the same models, in interleaved rounds.

    compare.py --models DIR[/name.onnx] ... [--ours PATH/TO/slipway] [--threads 1] [--peers ort,openvino,...] [--json out.json]

Every peer runs in a worker process of its own (runners.py); round by round each gets the same time slice in
turn, so that a drift of the machine's speed hits all alike. The figure is the median latency over all rounds;
the ratio is a peer's median over ours (above 1: we are faster). A peer whose answer is
far from onnxruntime's is marked WRONG and does not count; ours is checked by `slipway compare` and the tests, not
here. A model's `NAME.dims.json` beside it gives input shapes.
Ours is timed through `slipway bench MODEL --threads T --precision P --seconds S --input NAME=FILE.npy ... --json`, one
process a round: a MODEL that must not be built anew each round is an engine file, named with --engines DIR (DIR/NAME.slip).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import runners

HERE = Path(__file__).resolve().parent


class Worker:
    def __init__(self, peer, model, precision, threads, dims):
        self.peer = peer
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "runners.py"), peer, str(model), precision, str(threads), json.dumps(dims)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)})
        line = self.process.stdout.readline()
        self.state = json.loads(line) if line else {"error": f"died with {self.process.wait()}"}
        self.times = []

    def round(self, seconds):
        if "error" in self.state:
            return
        if not self.times:
            self._go(2)
            self.times.clear()
        one = statistics.median(self.times) if self.times else self._go(1)[0]
        self.times_add(self._go(max(2, int(seconds * 1e3 / max(one, 0.02)))))

    def times_add(self, values):
        self.times += values

    def _go(self, count):
        try:
            self.process.stdin.write(f"go {count}\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self.state = {"error": "died while running"}
            return [float("nan")]

    def answers(self):
        with tempfile.TemporaryDirectory() as folder:
            try:
                self.process.stdin.write(f"save {folder}/a.npz\n")
                self.process.stdin.flush()
                if json.loads(self.process.stdout.readline()):
                    with np.load(f"{folder}/a.npz") as saved:
                        return [saved[k] for k in saved.files]
            except (BrokenPipeError, json.JSONDecodeError):
                pass
        return None

    def close(self):
        if "error" not in self.state:
            try:
                self.process.stdin.write("memory\n")
                self.process.stdin.flush()
                self.state["peak_rss_kib"] = json.loads(self.process.stdout.readline())
            except (BrokenPipeError, json.JSONDecodeError):
                pass
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """`slipway bench` prints {"latency_ms": [...], "load_ms": x, ...}; it gets the very inputs that the peers get."""

    def __init__(self, command, model, engine, precision, threads, dims, extra):
        self.peer, self.state, self.times = "slipway", {}, []
        self.command = [command, "bench", str(engine or model), "--threads", str(threads), "--precision", precision, "--json"] + extra
        self.folder = tempfile.TemporaryDirectory()
        for index, (name, value) in enumerate(runners.onnx_inputs(str(model), dims).items()):
            path = Path(self.folder.name) / f"{index}.npy"
            np.save(path, value)
            self.command += ["--input", f"{name}={path}"]

    def round(self, seconds):
        if "error" in self.state:
            return
        done = subprocess.run(self.command + ["--seconds", str(seconds)], capture_output=True, text=True)
        try:
            answer = json.loads(done.stdout)
            self.times += answer.pop("latency_ms")
            self.state = {k: v for k, v in answer.items() if k in ("load_ms", "first_ms", "peak_rss_kib", "arena_bytes")}
        except (json.JSONDecodeError, KeyError):
            self.state = {"error": (done.stderr or done.stdout).strip()[-300:]}

    def close(self):
        self.folder.cleanup()


def difference(answers, reference):
    """Largest error relative to the output's scale, or None where shapes do not match onnxruntime's."""
    if answers is None or [a.size for a in answers] != [r.size for r in reference]:
        return None
    return max(float(np.abs(a - r).max() / (np.abs(r).max() or 1.0)) for a, r in zip(answers, reference) if r.size)


def measure(model, args):
    dims_file = model.with_suffix(".dims.json")
    dims = json.loads(dims_file.read_text()) if dims_file.exists() else {}
    dims["batch"] = args.batch
    contenders = []
    if args.ours:
        engine = args.engines / (model.stem + ".slip") if args.engines else None
        contenders.append(Ours(args.ours, model, engine, args.precision, args.threads, dims, args.extra.split()))
    contenders += [Worker(p, model, args.precision, args.threads, dims) for p in args.peers.split(",") if p]
    for _ in range(args.rounds):
        for runner in contenders:
            runner.round(args.seconds)
    row = {}
    reference = next((r.answers() for r in contenders if r.peer == "ort" and "error" not in r.state), None)
    for runner in contenders:
        if reference and isinstance(runner, Worker) and "error" not in runner.state:
            runner.state["max_error"] = difference(runner.answers(), reference)
        runner.close()
        good = [t for t in runner.times if t == t]
        row[runner.peer] = ({"error": runner.state["error"]} if "error" in runner.state or not good else
                            {"median_ms": statistics.median(good), "min_ms": min(good), "runs": len(good), **runner.state})
    return row


def markdown(result, peers):
    """The result as a table: milliseconds, and each peer's ratio to ours."""
    lines = ["| model | slipway ms | " + " | ".join(f"{p} ms | ratio" for p in peers) + " |", "|---" * (2 + 2 * len(peers)) + "|"]
    for model, row in result.items():
        ours = row["slipway"].get("median_ms")
        cells = [f"{ours:.3g}" if ours else "failed"]
        for peer in peers:
            theirs = row[peer].get("median_ms")
            cells += [f"{theirs:.3g}", f"{theirs / ours:.2f}" if ours else ""] if theirs else ["refused", ""]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", type=Path, required=True)
    parser.add_argument("--ours", help="path of the slipway program")
    parser.add_argument("--engines", type=Path, help="folder of built engines, NAME.slip for NAME.onnx")
    parser.add_argument("--extra", default="", help="more options for slipway bench")
    parser.add_argument("--peers", default="ort,openvino,ncnn,mnn,torch")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=3e-2, help="a peer further from onnxruntime than this is marked WRONG")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="write the table of docs/benchmarks.md")
    args = parser.parse_args()
    models = [m for p in args.models for m in (sorted(p.glob("*.onnx")) if p.is_dir() else [p])]
    result = {}
    for model in models:
        row = result[model.stem] = measure(model, args)
        ours = row.get("slipway", {}).get("median_ms")
        cells = []
        for peer, cell in row.items():
            if "error" in cell:
                cells.append(f"{peer}: FAILED ({cell['error'][:60]})")
            else:
                ratio = f" ({cell['median_ms'] / ours:.2f}x)" if ours and peer != "slipway" else ""
                error = cell.get("max_error", 0.0)
                wrong = "" if error is not None and error <= args.tolerance else f" WRONG({'shape' if error is None else f'{error:.0e}'})"
                cells.append(f"{peer} {cell['median_ms']:.2f} ms{ratio}{wrong}")
        print(f"{model.stem:24} " + " | ".join(cells), flush=True)
        if args.json:
            args.json.write_text(json.dumps(result, indent=1))
    if args.markdown:
        args.markdown.write_text(markdown(result, [p for p in args.peers.split(",") if p]))


if __name__ == "__main__":
    main()
