#!/usr/bin/env bash
# Peers and models for compare.py: setup.sh [DIR] makes DIR/venv (the peers) and DIR/models (every model of
# tools/models.py with its ncnn and MNN conversions). About 1.5 GB and five minutes on two cores; safe to run again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=${1:-$root/build/peers}
mkdir -p "$dir"
[ -x "$dir/venv/bin/python" ] || /usr/bin/python3 -m venv "$dir/venv"
. "$dir/venv/bin/activate"
pip install --disable-pip-version-check -q -r "$here/requirements.txt"
python "$root/tools/models.py" "$dir/models"

shapes_of() {  # the shapes of NAME.dims.json as pnnx wants them
  python - "$1" <<'PY'
import json, sys
dims = json.load(open(sys.argv[1]))
print(",".join(f"[{','.join(map(str, shape))}]" + ("i64" if "ids" in name or "mask" in name else "")
               for name, shape in dims.items() if isinstance(shape, list)))
PY
}

cd "$dir/models"
for model in *.onnx; do
  stem=${model%.onnx}
  if [ ! -e "$stem.mnn" ]; then
    # PIP_NO_INDEX: the converter would otherwise install a usage logger that downgrades protobuf.
    PIP_NO_INDEX=1 mnnconvert -f ONNX --modelFile "$model" --MNNModel "$stem.mnn" --bizCode none >"$stem.mnn.log" 2>&1 || true
    [ -e "$stem.mnn" ] || echo "MNN does not convert $stem"
  fi
  if [ ! -e "$stem.ncnn.param" ]; then
    timeout 300 pnnx "$model" inputshape="$(shapes_of "$stem.dims.json")" >"$stem.pnnx.log" 2>&1 || true
    [ -e "$stem.ncnn.param" ] || echo "pnnx does not convert $stem"
    rm -f "$stem".pnnx.* "$stem"_pnnx.py "$stem"_ncnn.py "$stem".pnnxsim.onnx
  fi
done
