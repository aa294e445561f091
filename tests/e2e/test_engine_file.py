"""Engine files: the same build gives the same bytes; damaged, foreign and newer files are told, never a crash."""
import json
import random
import re
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def engine(models, slipway, tmp_path_factory):
    path = tmp_path_factory.mktemp("engine") / "model.slip"
    slipway("build", models / "ppocr_cls.onnx", "-o", path, "--shape", "x:1x3x48x192")
    return path


def refused(slipway, path, *words):
    done = slipway("inspect", "--verify", path, status=1)
    assert any(word in done.stderr for word in words), done.stderr
    assert done.stderr.count("\n") == 1, "one clear line"


def test_same_bytes(models, slipway, engine, tmp_path):
    slipway("build", models / "ppocr_cls.onnx", "-o", tmp_path / "again.slip", "--shape", "x:1x3x48x192")
    assert (tmp_path / "again.slip").read_bytes() == engine.read_bytes()


def test_inspect(slipway, engine):
    assert "x" in slipway("inspect", "--verify", engine).stdout


def test_truncated(slipway, engine, tmp_path):
    data = engine.read_bytes()
    for length in [0, 7, 8, 40, 63, 64, 4096, 5000, len(data) // 2, len(data) - 4097, len(data) - 1]:
        (tmp_path / "cut.slip").write_bytes(data[:length])
        done = slipway("inspect", tmp_path / "cut.slip", status=1)
        assert done.stderr.strip(), length


def test_flipped_bits(slipway, engine, tmp_path):
    """Every flip in header or metadata is found at once, in the weights by --verify."""
    data = engine.read_bytes()
    rng = random.Random(1)
    metadata = int.from_bytes(data[16:24], "little")
    places = [rng.randrange(0, 56) for _ in range(12)] + [rng.randrange(metadata, len(data)) for _ in range(12)]
    for at in places:
        damaged = bytearray(data)
        damaged[at] ^= 1 << rng.randrange(8)
        (tmp_path / "flip.slip").write_bytes(damaged)
        slipway("inspect", tmp_path / "flip.slip", status=1)
    damaged = bytearray(data)
    damaged[64 + 100] ^= 4
    (tmp_path / "flip.slip").write_bytes(damaged)
    refused(slipway, tmp_path / "flip.slip", "checksum")


def test_foreign_and_newer(slipway, engine, tmp_path):
    (tmp_path / "foreign.slip").write_bytes(b"PK\x03\x04" + bytes(5000))
    slipway("inspect", tmp_path / "foreign.slip", status=1)
    newer = bytearray(engine.read_bytes())
    newer[8] = 200
    (tmp_path / "newer.slip").write_bytes(newer)
    refused(slipway, tmp_path / "newer.slip", "newer")


def test_unwritable(models, slipway, tmp_path):
    done = slipway("build", models / "ppocr_cls.onnx", "-o", tmp_path / "no" / "such" / "folder.slip", status=1)
    assert "cannot be created" in done.stderr
    assert not list(tmp_path.glob("**/*.slip*"))


def outputs(slipway, model, folder, *options):
    """Runs on random inputs of a fixed seed; the outputs' bytes and what was said."""
    folder.mkdir()
    done = slipway("run", model, "--output-dir", folder, *options)
    return {file.name: np.load(file).tobytes() for file in folder.iterdir()}, done.stderr


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_another_isa(slipway, engine, models, tmp_path, isa):
    """Weights packed for this machine are packed anew for another, which is said; the answers are those of the model."""
    own, said = outputs(slipway, engine, tmp_path / "engine", "--isa", isa, "--shape", "x:1x3x48x192")
    assert "packed anew" in said
    assert own == outputs(slipway, models / "ppocr_cls.onnx", tmp_path / "model", "--isa", isa, "--shape", "x:1x3x48x192")[0]


def test_references(slipway, engine, models, tmp_path):
    """The reference kernels read original weights, which the file holds in packed form alone."""
    options = "--references", "--shape", "x:1x3x48x192"
    own, said = outputs(slipway, engine, tmp_path / "engine", *options)
    assert own == outputs(slipway, models / "ppocr_cls.onnx", tmp_path / "model", *options)[0]


@pytest.mark.parametrize("shape", ["x:1x3x48x96", "x:3x3x48x160"])
def test_another_shape(slipway, models, tmp_path, shape):
    """An engine of a dynamic model serves shapes that it was not built with, from the same packed weights."""
    slipway("build", models / "ppocr_v4_rec.onnx", "-o", tmp_path / "rec.slip", "--shape", "x:1x3x48x320")
    own, _ = outputs(slipway, tmp_path / "rec.slip", tmp_path / "engine", "--shape", shape)
    assert own == outputs(slipway, models / "ppocr_v4_rec.onnx", tmp_path / "model", "--shape", shape)[0]


def test_weights_are_stored_once(models, slipway, tmp_path):
    """Packed alone, not beside the original; without shapes to go by the open extents are guessed."""
    slipway("build", models / "ppocr_v4_rec.onnx", "-o", tmp_path / "rec.slip")
    size = (tmp_path / "rec.slip").stat().st_size
    assert size < 1.1 * (models / "ppocr_v4_rec.onnx").stat().st_size
    found = re.search(r"([\d.]+) MiB packed, ([\d.]+) MiB as they are", slipway("inspect", tmp_path / "rec.slip").stdout)
    assert float(found[1]) > 9 and float(found[2]) < 0.5


SHAPES = {"mobilenet_v2": "input:1x3x224x224", "ppocr_v4_rec": "x:1x3x48x320", "deit_tiny": "input:1x3x224x224",
          "resnet50": "input:1x3x224x224"}


# The peak that wait() tells begins with that of the process that forked: a small one stands between.
MEASURE = """
import os, resource, sys
status = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def peak_mib(program, *arguments):
    """Peak resident memory of one run of the program, and what it printed."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, str(program), *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    assert done.returncode == 0, done.stdout
    *printed, peak = done.stdout.splitlines()
    return int(peak) / 1024, "\n".join(printed)


@pytest.mark.parametrize("name", SHAPES)
def test_memory(models, program, sanitized, tmp_path, name):
    """From an engine: packed weights, arena and 25 MiB. While building from a model: that and 1.1 times the file."""
    if sanitized:
        pytest.skip("sanitizers keep memory of their own")
    model, engine, shape = models / f"{name}.onnx", tmp_path / "model.slip", ("--threads", 1, "--shape", SHAPES[name])
    building, _ = peak_mib(program, "build", model, "-o", engine, *shape)
    _, printed = peak_mib(program, "bench", engine, "--seconds", 0.05, "--json", *shape)
    measured = json.loads(printed)
    allowed = (measured["packed_bytes"] + measured["arena_bytes"]) / 2**20 + 25
    running, _ = peak_mib(program, "run", engine, *shape)
    assert running <= allowed
    assert building <= allowed + 1.1 * model.stat().st_size / 2**20
