#!/bin/sh
# What a GPU does: correctness first, then extraction against the forward pass alone. Under 8 minutes, without Ray and without a
# package registry: it runs from this source tree, on the torch and torchvision of the machine and, where they lack more, on the
# wheels in the folder WHEELS beside them. On a machine without a GPU: tests/bench/gpu.sh --device cpu --small
#
#   tests/bench/gpu.sh [--device cuda|cpu] [--small] [--out FILE]
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
SITE=${TMPDIR:-/tmp}/filterscope-gpu-site
export PYTHONPATH="$PWD:$SITE" OMP_NUM_THREADS=1
if [ -n "${WHEELS:-}" ]; then
    "$PYTHON" -m pip install --quiet --no-index --no-deps --target "$SITE" "$WHEELS"/*.whl
fi
exec timeout 480 "$PYTHON" -m tests.bench.gpu "$@"
