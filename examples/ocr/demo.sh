#!/usr/bin/env bash
# The main road on a real job: two engines out of trained models, the text of a picture, the same asked of the server.
# scripts/demo calls it after the build; the models are in build/models.
#   examples/ocr/demo.sh [PICTURE]
set -euo pipefail
picture=${1:+$(realpath -- "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
picture=${picture:-examples/ocr/picture.png}
build=${SLIPWAY_BUILD:-build/release} models=${SLIPWAY_MODELS:-build/models} python=${SLIPWAY_PYTHON:-build/venv/bin/python}
out=build/demo
mkdir -p $out
rm -f $out/line.f32 $out/read.png

echo "== build two engines"
for part in det rec; do
  time=$EPOCHREALTIME
  "$build/bin/slipway" build "$models/ppocr_v4_$part.onnx" -o $out/$part.slip
  awk -v a="$time" -v b="$EPOCHREALTIME" 'BEGIN { printf "%46s %8.1f ms\n", "built in", 1000 * (b - a) }'
done

echo "== read $picture"
"$build/examples/ocr/example_ocr" $out/det.slip $out/rec.slip "$picture" $out/read.png $out/line.f32
echo "The picture with boxes and texts: $out/read.png"

if ! "$build/bin/slipway" --help | grep -qE '^ +serve\b'; then
  echo "== this build has no server"
  exit 0
fi
echo "== ask the server the same line"
if [ ! -e $out/line.f32 ]; then
  echo "No text was found, so there is no line to ask for."
  exit 0
fi
"$python" examples/ocr/ask.py "$build/bin/slipway" $out/rec.slip "$models/ppocr_v4_rec.onnx" $out/line.f32
