"""One case in the ONNX test layout, made and verified; the whole suite as files."""
import fcntl
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper


def to_map(value):
    """A map from numbers or words to single floats."""
    words = isinstance(next(iter(value)), str)
    out = onnx.MapProto(key_type=onnx.TensorProto.STRING if words else onnx.TensorProto.INT64)
    if words:
        out.string_keys.extend(key.encode() for key in value)
    else:
        out.keys.extend(value)
    out.values.elem_type = onnx.SequenceProto.TENSOR
    out.values.tensor_values.extend(numpy_helper.from_array(np.array(v, np.float32)) for v in value.values())
    return out


def to_proto(value):
    """Arrays, maps and lists of maps as ONNX stores them."""
    if isinstance(value, dict):
        return to_map(value)
    if isinstance(value, list):
        sequence = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
        sequence.map_values.extend(map(to_map, value))
        return sequence
    value = np.asarray(value)
    if value.dtype.kind == "U":
        value = value.astype(object)
    return numpy_helper.from_array(value)


@pytest.fixture
def verify(slipway, tmp_path):
    """verify(model, inputs, expected, rtol, atol): slipway gives the expected first outputs for the inputs, both in order."""
    def check(model: onnx.ModelProto, inputs, expected, rtol=1e-4, atol=1e-5, options=()):
        data = tmp_path / "case/test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        for old in data.iterdir():
            old.unlink()
        (tmp_path / "case/model.onnx").write_bytes(model.SerializeToString())
        for stem, values in ("input", inputs), ("output", expected):
            for i, value in enumerate(values):
                (data / f"{stem}_{i}.pb").write_bytes(to_proto(value).SerializeToString())
        slipway("verify", tmp_path / "case", "--rtol", rtol, "--atol", atol, *options)
    return check


@pytest.fixture(scope="session")
def suite(root):
    """ONNX's backend suite as files; the first of the test programs that run side by side makes it."""
    folder = root / "build/suite"
    with open(root / "build/suite.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "manifest.json").exists():
            subprocess.run([sys.executable, root / "tools/dump_onnx_suite.py", folder, "--force"], check=True, capture_output=True)
    return folder
