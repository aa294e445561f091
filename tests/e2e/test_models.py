"""Real models against onnxruntime: relative error below 1e-4 of the output's scale, whatever the batch, the extents, the threads,
the passes and the way through an engine file; and the same bits where the answer must not depend on them."""
import json
import sys

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, "bench/peers")
import runners  # noqa: E402

ALLOWED = 1e-4
ALLOWED_BF16 = 2e-2
# Of these outputs that share may be further off: the text models decide between near alternatives (the detector's
# first convolution alone in bfloat16 moves one pixel of its answer by 0.4; OpenVINO in bf16 is 0.67 and 0.10 off).
BEYOND_BF16 = {"sigmoid_0.tmp_0": 1e-2, "softmax_11.tmp_0": 1e-3}
# Ill-conditioned: onnxruntime itself, with and without its graph optimisations, differs by 1.2e-4 on the picture below.
ALLOWED_OF = {"sigmoid_0.tmp_0": 3e-4}
BATCHED = ["resnet50", "mobilenet_v2", "squeezenet1_1", "deit_tiny", "efficientnet_b0", "minilm", "ppocr_v4_rec", "ppocr_cls"]
ALL = [*BATCHED, "vgg16", "centernet_r34_512", "ppocr_v4_det",
       "silero_vad", "silero_vad_16k_op15", "silero_vad_half", "silero_vad_op18_ifless"]
OTHER_EXTENTS = {
    "ppocr_v4_rec": {"x": [1, 3, 48, 200]}, "ppocr_v4_det": {"x": [1, 3, 320, 480]},
    "minilm": {"input_ids": [1, 33], "attention_mask": [1, 33], "values": {}, "int_max": 20000},
}


@pytest.fixture(scope="module")
def answer(slipway, models, tmp_path_factory):
    """answer(model, feeds, *options): our outputs by name."""
    def run(path, feeds, *options, env=None):
        folder = tmp_path_factory.mktemp("run")
        arguments = []
        for i, (name, value) in enumerate(feeds.items()):
            np.save(folder / f"{i}.npy", value)
            arguments += ["--input", f"{name}={folder}/{i}.npy"]
        slipway("run", path, *arguments, "--output-dir", folder / "out", *options, env=env)
        return {f.stem: np.load(f) for f in sorted((folder / "out").glob("*.npy"))}
    return run


@pytest.fixture(scope="module")
def expected(models):
    """expected(name, feeds): onnxruntime's outputs by (file) name."""
    def run(name, feeds):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(models / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
        names = [o.name.replace("/", "_") for o in session.get_outputs()]
        return dict(zip(names, session.run(None, feeds), strict=True))
    return run


def text_picture(shape):
    """Lines of text, normalised: on noise the text detector answers only numbers far below one, where no scale is meaningful."""
    picture = Image.new("RGB", (shape[3], shape[2]), "white")
    for y in range(20, shape[2] - 40, 60):
        ImageDraw.Draw(picture).text((20, y), "slipway reads this line", "black", ImageFont.load_default(28))
    pixels = (np.asarray(picture, np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return pixels.transpose(2, 0, 1)[None].astype(np.float32)


def feeds_of(models, name, batch=1, extents=None):
    dims = dict(extents or json.loads((models / f"{name}.dims.json").read_text()))
    dims["batch"] = batch
    if name == "ppocr_v4_det":
        return {"x": text_picture(dims["x"])}
    return runners.onnx_inputs(str(models / f"{name}.onnx"), dims)


def check(got, want, allowed=None):
    assert got.keys() == want.keys()
    for name, reference in want.items():
        assert got[name].shape == reference.shape, name
        assert got[name].dtype == reference.dtype, name
        scale = np.abs(reference).max() or 1.0
        error = np.abs(got[name].astype(np.float64) - reference).max() / scale
        assert error < (allowed or ALLOWED_OF.get(name, ALLOWED)), f"{name}: {error:.2e} of the output's scale"


def check_bf16(got, want):
    sure = {name: value for name, value in want.items() if name not in BEYOND_BF16}
    check({name: got[name] for name in sure}, sure, ALLOWED_BF16)
    for name in want.keys() - sure.keys():
        assert got[name].shape == want[name].shape and got[name].dtype == want[name].dtype, name
        beyond = np.abs(got[name].astype(np.float64) - want[name]) > ALLOWED_BF16 * np.abs(want[name]).max()
        assert beyond.mean() < BEYOND_BF16[name], f"{name}: {beyond.mean():.1e} of the elements are off"


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), f"{name} differs in its bits"


@pytest.mark.parametrize("name", ALL)
def test_model(name, models, slipway, answer, expected, tmp_path):
    """Batch 1: right; the same bits with one and two threads and through an engine file."""
    path, feeds = models / f"{name}.onnx", feeds_of(models, name)
    got = answer(path, feeds, "--threads", "2")
    check(got, expected(name, feeds))
    same(got, answer(path, feeds, "--threads", "1"))
    slipway("build", path, "-o", tmp_path / "model.slip")
    same(got, answer(tmp_path / "model.slip", feeds, "--threads", "2"))


@pytest.mark.parametrize("name", ALL)
def test_bf16(name, models, slipway, answer, expected, tmp_path):
    """Products in bfloat16: near the fp32 answers, inputs and outputs of their own types; the same bits with one and two threads and
    from an engine file, which stays what it was built as."""
    path, feeds = models / f"{name}.onnx", feeds_of(models, name)
    got = answer(path, feeds, "--threads", "2", "--precision", "bf16")
    check_bf16(got, expected(name, feeds))
    same(got, answer(path, feeds, "--threads", "1", "--precision", "bf16"))
    slipway("build", path, "-o", tmp_path / "model.slip", "--precision", "bf16")
    same(got, answer(tmp_path / "model.slip", feeds, "--threads", "2"))


@pytest.mark.parametrize("name", BATCHED)
def test_batch(name, models, answer, expected):
    """Batch 4: right, and each row has the bits that it has alone."""
    path, feeds = models / f"{name}.onnx", feeds_of(models, name, batch=4)
    got = answer(path, feeds)
    check(got, expected(name, feeds))
    row = answer(path, {k: v[2:3] for k, v in feeds.items()})
    same(row, {k: v[2:3] for k, v in got.items()})


@pytest.mark.parametrize("name", OTHER_EXTENTS)
def test_other_extents(name, models, answer, expected):
    feeds = feeds_of(models, name, extents=OTHER_EXTENTS[name])
    check(answer(models / f"{name}.onnx", feeds), expected(name, feeds))


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2", "ppocr_cls", "silero_vad", "silero_vad_op18_ifless"])
def test_without_passes(name, models, answer, expected):
    feeds = feeds_of(models, name)
    check(answer(models / f"{name}.onnx", feeds, "--no-passes"), expected(name, feeds))


@pytest.mark.parametrize("name", ["ppocr_cls", "silero_vad_op18_ifless"])
def test_references_only(name, models, answer, expected):
    feeds = feeds_of(models, name)
    check(answer(models / f"{name}.onnx", feeds, "--references"), expected(name, feeds))


@pytest.mark.parametrize("isa", ["avx2", "portable"])
def test_capped_isa(isa, models, answer, expected):
    feeds = feeds_of(models, "ppocr_cls")
    check(answer(models / "ppocr_cls.onnx", feeds, "--isa", isa), expected("ppocr_cls", feeds))
    check_bf16(answer(models / "ppocr_cls.onnx", feeds, "--isa", isa, "--precision", "bf16"), expected("ppocr_cls", feeds))
