"""Every element type that the standard declares for an operator is taken: the suite's cases, their inputs cast to each type that the
operator's schema allows, held against ONNX's reference evaluator."""
import json
import warnings

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

# Attributes or a body fix the types of these, or their answers are random.
FIXED = {"BitCast", "LabelEncoder", "Loop", "Scan", "If", "SplitToSequence", "TfIdfVectorizer", "Bernoulli", "Multinomial",
         "RandomNormalLike", "RandomUniformLike", "Dropout"}
# What the schema allows and nothing can be made of: interpolated and summed strings, an order of complex numbers.
SENSELESS = {("Col2Im", "string"), ("GridSample", "string"), ("Resize", "string"), ("Upsample", "string")}
# Where the reference evaluator strays from the text, or the text leaves the answer open: only the run is checked.
OPEN = {
    "AffineGrid", "Det", "ReduceSumSquare", "RMSNormalization", "Adam", "Momentum",  # it gives another type than the schema
    "GridSample", "Resize",  # integers between two pixels; imaginary parts that it drops
    "CastLike", "Gemm",  # numbers out of a type's range; integers times 0.25
    "QLinearMatMul", "QuantizeLinear", "DequantizeLinear",  # float8 and float4 zero points other than zero
}
FLOAT6 = {"float6e2m3", "float6e3m2"}
TOLERANCE = {"double": (1e-3, 1e-6), "float": (1e-3, 1e-5), "float16": (2e-2, 1e-2), "bfloat16": (8e-2, 5e-2)}
RANGES = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3), "int8": (-128, 127), "uint8": (0, 255)}


def number_of(word):
    return getattr(TensorProto, {"float8e4m3fn": "FLOAT8E4M3FN"}.get(word, word.upper()))


def cast(values, word):
    if word == "string":
        return np.array([str(x) for x in values.ravel()], dtype=object).reshape(values.shape)
    kind = helper.tensor_dtype_to_np_dtype(number_of(word))
    if values.dtype.kind in "OUS":
        values = np.arange(values.size, dtype=np.float32).reshape(values.shape)
    real = np.nan_to_num(values.real.astype(np.float64), nan=1, posinf=3, neginf=-3)
    if word == "bool":
        return real > 0.5
    if word.startswith("complex"):
        return (real + 0.5j * real).astype(kind)
    if "int" in word:
        real = np.round(real)
        real = np.clip(real, *RANGES[word]) if word in RANGES else np.abs(real) if word.startswith("u") else real
    return (np.abs(real) + 1e-3 if word == "float8e8m0" else real).astype(np.float32 if kind.kind == "V" else kind).astype(kind)


def variants(folder):
    """(name, type, model, inputs) of a case of one node: one type letter of its schema changed at a time."""
    model = onnx.load(folder / "model.onnx")
    domains = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
    node = model.graph.node[0]
    if len(model.graph.node) != 1 or node.domain not in domains or node.op_type in FIXED:
        return
    if any(v.type.WhichOneof("value") != "tensor_type" for v in (*model.graph.input, *model.graph.output)):
        return
    schema = onnx.defs.get_schema(node.op_type, domains[node.domain], node.domain)
    feeds = {v.name: numpy_helper.to_array(onnx.load_tensor(folder / f"test_data_set_0/input_{i}.pb")) for i, v in enumerate(model.graph.input)}
    letter = {name: schema.inputs[min(i, len(schema.inputs) - 1)].type_str for i, name in enumerate(node.input)}
    for output in model.graph.output:
        output.ClearField("type")
    for constraint in schema.type_constraints:
        changed = [v for v in model.graph.input if letter[v.name] == constraint.type_param_str]
        for text in constraint.allowed_type_strs if changed else ():
            word = text.removeprefix("tensor(").removesuffix(")")
            if not text.startswith("tensor(") or word in FLOAT6 or (node.op_type, word) in SENSELESS:
                continue
            new, inputs = onnx.ModelProto(), dict(feeds)
            new.CopyFrom(model)
            for value in new.graph.input:
                if letter[value.name] == constraint.type_param_str:
                    value.type.tensor_type.elem_type = number_of(word)
                    inputs[value.name] = cast(feeds[value.name], word)
                    if node.op_type in ("Mod", "Div") and "int" in word:
                        inputs[value.name][inputs[value.name] == 0] = 1
            yield f"{folder.name}-{constraint.type_param_str}-{word}", word, new, inputs


@pytest.mark.filterwarnings("ignore")
def test_every_declared_type(slipway, suite, tmp_path):
    cases, seen = [], {}
    for folder in sorted((suite / "node").iterdir()):
        if "_expanded" in folder.name:
            continue
        for name, word, model, inputs in variants(folder):
            op = model.graph.node[0].op_type
            if seen.setdefault(op, folder) != folder:
                break
            data = tmp_path / name / "test_data_set_0"
            data.mkdir(parents=True)
            (tmp_path / name / "model.onnx").write_bytes(model.SerializeToString())
            for i, value in enumerate(inputs.values()):
                (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(value)).SerializeToString())
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected = [] if op in OPEN else ReferenceEvaluator(model).run(None, inputs)[:1]
                for i, value in enumerate(expected):
                    (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(value)).SerializeToString())
            except Exception:  # noqa: BLE001 - it does not know the type
                pass
            rtol, atol = TOLERANCE.get(word, (0.1, 0.1) if "float" in word else (1e-3, 1e-5))
            cases.append({"path": name, "rtol": rtol, "atol": atol})
    (tmp_path / "manifest.json").write_text(json.dumps({"cases": cases}))
    assert len(cases) > 1500
    done = slipway("verify", tmp_path)
    assert done.stdout.endswith(f"{len(cases)} passed, 0 failed\n")
