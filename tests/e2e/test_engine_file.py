"""Engine files: the same build gives the same bytes; damaged, foreign and newer files are told, never a crash."""
import random
import shutil

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
    slipway("build", models / "ppocr_cls.onnx", "-o", tmp_path / "again.slip")
    assert (tmp_path / "again.slip").read_bytes() == engine.read_bytes()


def test_inspect(slipway, engine):
    assert "x" in slipway("inspect", "--verify", engine).stdout


def test_truncated(slipway, engine, tmp_path):
    data = engine.read_bytes()
    for length in [0, 7, 8, 40, 63, 4095, 4096, 5000, len(data) // 2, len(data) - 4097]:
        (tmp_path / "cut.slip").write_bytes(data[:length])
        done = slipway("inspect", tmp_path / "cut.slip", status=1)
        assert done.stderr.strip(), length


def test_flipped_bits(slipway, engine, tmp_path):
    """Every flip in header or metadata is found at once, in the weights by --verify."""
    data = engine.read_bytes()
    rng = random.Random(1)
    metadata_end = 4096 + int.from_bytes(data[24:32], "little")
    places = [rng.randrange(0, 56) for _ in range(12)] + [rng.randrange(4096, metadata_end) for _ in range(12)]
    for at in places:
        damaged = bytearray(data)
        damaged[at] ^= 1 << rng.randrange(8)
        (tmp_path / "flip.slip").write_bytes(damaged)
        slipway("inspect", tmp_path / "flip.slip", status=1)
    damaged = bytearray(data)
    damaged[(metadata_end + 4095) // 4096 * 4096 + 100] ^= 4
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


def test_other_isa_is_said(slipway, engine, models, tmp_path):
    shutil.copy(engine, tmp_path / "model.slip")
    done = slipway("run", tmp_path / "model.slip", "--isa", "portable", "--shape", "x:1x3x48x192")
    assert "packed anew" in done.stderr
