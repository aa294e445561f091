#!/usr/bin/env python3
"""Time single nodes that move or map data, ours beside onnxruntime's, in interleaved rounds; one thread.

    operators.py --ours build/release/bench/bench_memory [--cases bench/operators.txt] [--only NAME...] [--skip NAME...]
                 [--where in,out] [--rounds 3] [--seconds 0.1] [--json out.json] [--append] [--markdown table.md]

Ours is timed by bench_memory, one process a round; onnxruntime in this process, outputs bound to memory of their own, less what
a call of a node of one element costs. A figure is the median of its rounds. `ratio` above 1: slipway is faster. `of copy`: bytes
a second beside the machine's copy in the same place. A type that onnxruntime has no kernel for is left empty. --append keeps the
rows that --json holds already and times the others, so that a long table can be made in pieces.
"""
import argparse
import json
import re
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

TYPES = {"f32": TensorProto.FLOAT, "f64": TensorProto.DOUBLE, "f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16,
         "i8": TensorProto.INT8, "i32": TensorProto.INT32, "i64": TensorProto.INT64, "u8": TensorProto.UINT8,
         "bool": TensorProto.BOOL}
OPSET = 23
KEYS = {"name", "type", "where"}


def numpy_type(kind):
    return helper.tensor_dtype_to_np_dtype(TYPES[kind])


def dims_of(text):
    return [int(d) for d in text.split(",") if d.strip()]


def attribute(text):
    if text in TYPES:
        return TYPES[text]
    return json.loads(text)


def constant(name, kind, dims, values):
    count = int(np.prod(dims, dtype=np.int64))
    if values.startswith("{"):
        data = np.array([float(v) for v in values[1:-1].split(",")])
    elif values.startswith("full"):
        data = np.full(count, float(values[5:-1]))
    elif values.startswith("random"):
        data = np.random.default_rng(int(values[7:-1])).uniform(-1, 1, count)
    else:
        data = np.zeros(count)
    return onnx.numpy_helper.from_array(data.astype(numpy_type(kind)).reshape(dims), name)


def model_of(text):
    """The graph of one line of operators.txt (a part of docs/text-form.md) as an ONNX model."""
    inputs, constants, nodes, outputs = [], [], [], []
    for match in re.finditer(r"input %(\w+): (\w+)\[([^\]]*)\]|output %(\w+)"
                             r"|%(\w+) = const (\w+)\[([^\]]*)\] ?(\{[^}]*\}|\w+\([^)]*\)|zeros)"
                             r"|(%\w+(?:, %\w+)*) = (\w+)\(([^)]*)\)(?: \{([^}]*)\})?", text):
        name, kind, dims, output, const, const_kind, const_dims, values, results, op, operands, attributes = match.groups()
        if name:
            inputs.append(helper.make_tensor_value_info(name, TYPES[kind], dims_of(dims)))
        elif output:
            outputs.append(onnx.ValueInfoProto(name=output))
        elif const:
            constants.append(constant(const, const_kind, dims_of(const_dims), values))
        else:
            pairs = re.findall(r"(\w+)=(\[[^\]]*\]|\"[^\"]*\"|[^,]+)", attributes or "")
            names = [o.strip().lstrip("%").replace("_", "", 1) if o.strip() == "_" else o.strip().lstrip("%")
                     for o in operands.split(",")]
            nodes.append(helper.make_node(op, names, [r.strip().lstrip("%") for r in results.split(",")],
                                          **{key: attribute(value) for key, value in pairs}))
    graph = helper.make_graph(nodes, "one", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def filled(value, index_below):
    """As bench_memory fills it."""
    tensor = value.type.tensor_type
    shape = [d.dim_value for d in tensor.shape.dim]
    i = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64)
    kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    if tensor.elem_type in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        data = 0.05 + (i * 7 % 61) / 16
    elif tensor.elem_type == TensorProto.BOOL:
        data = i * 7 % 3 == 0
    else:
        data = i * 37 % index_below if index_below and tensor.elem_type == TensorProto.INT64 else 1 + i * 5 % 7
    return data.astype(kind).reshape(shape)


class Peer:
    """onnxruntime on one model, with inputs and outputs in place."""

    def __init__(self, model, index_below=0):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.held = []
        for value in model.graph.input:
            data = filled(value, index_below)
            kind = value.type.tensor_type.elem_type
            held = (ort.OrtValue.ortvalue_from_numpy_with_onnx_type(data.view(np.uint16), kind)
                    if kind == TensorProto.BFLOAT16 else ort.OrtValue.ortvalue_from_numpy(data))
            self.held.append(held)
            self.binding.bind_ortvalue_input(value.name, held)
        for value in model.graph.output:
            self.binding.bind_output(value.name, "cpu")
        self.session.run_with_iobinding(self.binding)
        for value, result in zip(model.graph.output, self.binding.get_outputs()):
            self.held.append(result)
            self.binding.bind_ortvalue_output(value.name, result)

    def median_us(self, seconds):
        times = []
        begin = time.perf_counter()
        while len(times) < 2 or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            self.session.run_with_iobinding(self.binding)
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1e6


def texts(path):
    """(name, type) to (index, text), permutations written out."""
    import itertools
    out = {}
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, words, text = (part.strip() for part in line.split("|", 2))
        index = next((int(w[6:]) for w in words.split() if w.startswith("index=")), 0)
        for kind in (w for w in words.split() if w in TYPES):
            typed = re.sub(r"(?<![\w%])T(?!\w)", kind, text)
            if "permutations" not in words:
                out[name, kind] = index, typed
                continue
            for dims in ("N, 200", "N, 24, 40", "N, 12, 20, 36", "N, 6, 10, 12, 20"):
                for order in list(itertools.permutations(range(dims.count(",") + 1)))[1:]:
                    permuted = typed.replace("DIMS", dims).replace("PERM", str(list(order)))
                    out[f"{name}_{''.join(map(str, order))}", kind] = index, permuted
    return out


def measure(name, kind, where, index, text, args, call_us):
    peer, row, ours, theirs = None, None, [], []
    for _ in range(args.rounds):
        done = subprocess.run([args.ours, "--json", "--only", f"{name}/{kind}", "--where", where, "--seconds", str(args.seconds),
                               str(args.cases)], capture_output=True, text=True)
        if done.returncode != 0:
            return {"name": name, "type": kind, "where": where, "error": done.stderr.strip()[-200:]}
        row = json.loads(done.stdout)
        ours.append(row["us"])
        if not theirs:
            try:
                peer = Peer(model_of(re.sub(r"(?<!\w)N(?!\w)", str(row["n"]), text)), index)
            except Exception as error:  # no kernel for this type
                row["refused"] = f"{type(error).__name__}: {error}"[:200]
        if peer:
            theirs.append(max(0.01, peer.median_us(args.seconds) - call_us))
    us = statistics.median(ours)
    row["gb_s"], row["of_copy"], row["us"] = row["gb_s"] * row["us"] / us, row["of_copy"] * row["us"] / us, us
    if theirs:
        row["ort_us"] = statistics.median(theirs)
        row["ratio"] = row["ort_us"] / us
    return row


def markdown(rows):
    """A line a node and type: in cache, out of cache; permutations as their worst and their median."""
    lines = ["| node | type | in cache GB/s | of copy | ratio | out of cache GB/s | of copy | ratio | by |", "|---" * 9 + "|"]
    groups = {}
    for row in rows:
        if "error" not in row:
            name = re.sub(r"_\d{2,5}$", lambda m: f", rank {len(m[0]) - 1}", row["name"])
            groups.setdefault((name, row["type"]), {}).setdefault(row["where"], []).append(row)
    for (name, kind), places in groups.items():
        cells, tactics = [], ""
        for where in ("in", "out"):
            found = places.get(where, [])
            for key, form in (("gb_s", "{:.1f}"), ("of_copy", "{:.2f}"), ("ratio", "{:.2f}")):
                values = sorted(r[key] for r in found if key in r)
                text = form.format(statistics.median(values)) if values else ""
                cells.append(text if len(values) < 2 else f"{text} (least {form.format(values[0])})")
            tactics = found[0]["tactics"] if found else tactics
        lines.append(f"| {name} | {kind} | " + " | ".join(cells) + f" | {tactics} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="path of bench_memory")
    parser.add_argument("--cases", type=Path, default=Path(__file__).resolve().parents[1] / "operators.txt")
    parser.add_argument("--only", nargs="*", default=[], help="names, or NAME/TYPE, or prefixes that end with *")
    parser.add_argument("--skip", nargs="*", default=[])
    parser.add_argument("--where", default="in,out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--limit", type=float, default=1e9, help="stop after so many seconds")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--append", action="store_true")
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()

    def matches(name, kind, patterns):
        return any(p in (name, f"{name}/{kind}") or (p.endswith("*") and name.startswith(p[:-1])) for p in patterns)
    rows = json.loads(args.json.read_text()) if args.append and args.json and args.json.exists() else []
    known = {(r["name"], r["type"], r["where"]) for r in rows}
    call_us = Peer(model_of("input %x: f32[1] %y = Relu(%x) output %y")).median_us(0.2)
    begin = time.monotonic()
    for (name, kind), (index, text) in texts(args.cases).items():
        if (args.only and not matches(name, kind, args.only)) or matches(name, kind, args.skip):
            continue
        for where in args.where.split(","):
            if (name, kind, where) in known or time.monotonic() - begin > args.limit:
                continue
            row = measure(name, kind, where, index, text, args, call_us)
            rows.append(row)
            if "error" in row:
                print(f"{name:20} {kind:5} {where:4} {row['error']}", flush=True)
                continue
            print(f"{name:20} {kind:5} {where:4} {row['us']:10.1f} us {row['gb_s']:7.1f} GB/s {row['of_copy']:5.2f} of copy  "
                  + (f"ort {row['ort_us']:10.1f} us  ratio {row['ratio']:6.2f}  " if "ratio" in row else f"{'refused':34}")
                  + row["tactics"], flush=True)
    if args.json:
        args.json.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    if args.markdown:
        args.markdown.write_text(markdown(rows))


if __name__ == "__main__":
    main()
