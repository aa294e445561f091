"""One worker process per (peer, model, precision, threads): loads the model once, then times it on demand.

Protocol, one line each way over stdin/stdout: on start the worker says {"ready": true, "load_ms": ...} or
{"error": "..."}; then "go N" is answered with a JSON list of N latencies in milliseconds, "memory" with its peak RSS
in KiB, and "save FILE.npz" keeps its answers.
Peers: ort, openvino, ncnn, mnn, tvm, torch (traced), torchjit (traced and optimised). Precisions: fp32, bf16,
default, int8 (the model file decides).
"""
import json
import os
import sys
import time

import numpy as np


def peak_rss_kib():
    """The most memory resident in this program; getrusage() would count what the parent had before exec."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def onnx_inputs(path, dims, seed=0):
    """Random inputs for every graph input: {name: array}; `dims` gives shapes (its "batch" multiplies the first axis)."""
    import onnx
    model = onnx.load(path, load_external_data=False)
    constant = {t.name for t in model.graph.initializer}
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.input:
        if value.name in constant:
            continue
        tensor = value.type.tensor_type
        if value.name in dims and isinstance(dims[value.name], list):
            shape = dims[value.name]
        else:
            shape = [d.dim_value or int(dims.get(d.dim_param, 1)) for d in tensor.shape.dim]
        if shape and value.name not in dims.get("values", {}):
            shape = [shape[0] * int(dims.get("batch", 1))] + list(shape[1:])
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if np.issubdtype(dtype, np.floating):
            feeds[value.name] = rng.standard_normal(shape).astype(dtype)
        elif dtype == np.bool_:
            feeds[value.name] = np.ones(shape, dtype)
        else:
            feeds[value.name] = rng.integers(0, int(dims.get("int_max", 2)), shape).astype(dtype)
    for name, value in dims.get("values", {}).items():
        if name in feeds:
            feeds[name] = np.asarray(value, feeds[name].dtype)
    return feeds


def load_ort(path, precision, threads, dims):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = onnx_inputs(path, dims)
    return lambda: session.run(None, feeds)


def load_openvino(path, precision, threads, dims):
    import openvino as ov
    core = ov.Core()
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if precision in ("fp32", "int8"):
        config["INFERENCE_PRECISION_HINT"] = "f32"
    elif precision == "bf16":
        config["INFERENCE_PRECISION_HINT"] = "bf16"
    feeds = onnx_inputs(path, dims)
    model = core.read_model(path)
    model.reshape({name: list(array.shape) for name, array in feeds.items()})
    request = core.compile_model(model, "CPU", config).create_infer_request()
    return lambda: request.infer(feeds, share_inputs=True, share_outputs=True)


def load_torch(path, precision, threads, dims, compiled=False):
    """A traced module (NAME.pt beside NAME.onnx); eager.py times the eager modules themselves."""
    import torch
    torch.set_num_threads(threads)
    module = torch.jit.load(os.path.splitext(path)[0] + ".pt").eval()
    feeds = [torch.from_numpy(a) for a in onnx_inputs(path, dims).values()]
    if precision == "bf16":
        module = module.bfloat16()
        feeds = [f.bfloat16() if f.is_floating_point() else f for f in feeds]
    if compiled:
        module = torch.jit.optimize_for_inference(module)

    def step():
        with torch.inference_mode():
            return module(*feeds)
    return step


def load_ncnn(path, precision, threads, dims):
    import ncnn
    stem = os.path.splitext(path)[0]
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_bf16_storage = precision == "bf16"
    net.opt.use_vulkan_compute = False
    if net.load_param(stem + ".ncnn.param") or net.load_model(stem + ".ncnn.bin"):
        raise RuntimeError("no ncnn model")
    arrays = list(onnx_inputs(path, dims).values())
    if any(a.shape[0] != 1 for a in arrays):
        raise RuntimeError("ncnn runs batch 1")
    # A Mat made from an array only borrows it: clone, or it dangles.
    feeds = [ncnn.Mat(np.ascontiguousarray(a[0])).clone() for a in arrays]

    def step():
        extractor = net.create_extractor()
        for i, feed in enumerate(feeds):
            extractor.input(f"in{i}", feed)
        code, out = extractor.extract("out0")
        if code:
            raise RuntimeError(f"ncnn extract failed: {code}")
        return out
    return step


def load_mnn(path, precision, threads, dims):
    import MNN
    feeds = onnx_inputs(path, dims)
    runtime = MNN.nn.create_runtime_manager(({"backend": 0, "numThread": threads,
                                              "precision": "low" if precision == "bf16" else "normal"},))
    import onnx
    graph = onnx.load(path, load_external_data=False).graph
    net = MNN.nn.load_module_from_file(os.path.splitext(path)[0] + ".mnn", list(feeds), [o.name for o in graph.output],
                                       runtime_manager=runtime)
    import MNN.expr as F
    inputs = []
    for array in feeds.values():
        dtype = F.int if array.dtype.kind == "i" else F.float
        array = array.astype(np.int32) if array.dtype.kind == "i" else array
        inputs.append(F.const(np.ascontiguousarray(array), list(array.shape), F.NCHW, dtype))

    def step():
        outputs = net.forward(inputs)
        return [o.read() for o in outputs]
    return step


def load_tvm(path, precision, threads, dims):
    os.environ["TVM_NUM_THREADS"] = str(threads)
    import onnx
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx
    feeds = onnx_inputs(path, dims)
    module = from_onnx(onnx.load(path), shape_dict={k: list(v.shape) for k, v in feeds.items()},
                       keep_params_in_input=False)
    target = tvm.target.Target({"kind": "llvm", "mcpu": "native", "num-cores": threads})
    with target:
        module = relax.get_pipeline("zero")(module)
    machine = relax.VirtualMachine(relax.build(module, target), tvm.cpu())
    args = [tvm.runtime.tensor(a) for a in feeds.values()]
    return lambda: machine["main"](*args)


LOADERS = {"ort": load_ort, "openvino": load_openvino, "torch": load_torch, "ncnn": load_ncnn, "mnn": load_mnn,
           "tvm": load_tvm, "torchjit": lambda *a: load_torch(*a, compiled=True)}


def arrays_of(result):
    """A peer's answer as flat float64 arrays, in output order."""
    if hasattr(result, "values"):
        result = list(result.values())
    if not isinstance(result, (list, tuple)):
        result = [result]
    return [np.array(r.float() if hasattr(r, "float") else r, dtype=np.float64).ravel() for r in result]


def main():
    peer, path, precision, threads, dims = sys.argv[1:6]
    # Peers print banners: keep the protocol's channel to ourselves.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(value):
        channel.write(json.dumps(value) + "\n")
        channel.flush()
    try:
        started = time.perf_counter()
        step = LOADERS[peer](path, precision, int(threads), json.loads(dims))
        loaded = time.perf_counter()
        step()
        say({"ready": True, "load_ms": (loaded - started) * 1e3, "first_ms": (time.perf_counter() - loaded) * 1e3})
    except Exception as error:  # a peer that cannot run the model is a result too
        say({"error": f"{type(error).__name__}: {error}"[:300]})
        return
    for line in sys.stdin:
        if line.startswith("memory"):
            say(peak_rss_kib())
            continue
        if line.startswith("save"):
            try:
                np.savez(line.split()[1], *arrays_of(step()))
                say(True)
            except Exception:  # compared answers are a help, not the measurement
                say(False)
            continue
        times = []
        for _ in range(int(line.split()[1])):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
        say(times)


if __name__ == "__main__":
    main()
