"""ONNX's own backend suite through `slipway verify`: every case but the named ones."""
import pathlib
import subprocess
import sys

import pytest

# What fails today, by name, one a line; a case that starts to pass must leave the list.
KNOWN = pathlib.Path(__file__).with_name("suite_exceptions.txt")


@pytest.fixture(scope="module")
def suite(root):
    folder = root / "build/suite"
    if not (folder / "manifest.json").exists():
        subprocess.run([sys.executable, root / "tools/dump_onnx_suite.py", folder, "--force"], check=True, capture_output=True)
    return folder


def failures(done):
    return {line.split()[3].rstrip(":") for line in done.stdout.splitlines() if line.startswith("FAIL")}


@pytest.mark.parametrize("options", [[], ["--no-passes"], ["--isa", "avx2"], ["--isa", "portable"]], ids=["plain", "no_passes", "avx2", "portable"])
def test_suite(program, suite, options):
    known = {line.strip() for line in KNOWN.read_text().splitlines() if line.strip() and not line.startswith("#")}
    kinds = [suite / kind for kind in ("node", "simple", "pytorch-converted", "pytorch-operator")]
    done = subprocess.run([program, "verify", *kinds, *options], capture_output=True, text=True, timeout=1000)
    passed, failed = (int(word) for word in done.stdout.splitlines()[-1].replace(",", "").split()[0:3:2])
    got = failures(done)
    assert failed == len(got)
    assert passed > 1850
    assert got <= known, f"new failures: {sorted(got - known)}"
    if not options:
        assert known <= got, f"pass now, take them off the list: {sorted(known - got)}"
