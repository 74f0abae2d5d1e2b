#!/usr/bin/env bash
# Compile the kernels into NUMBA_CACHE_DIR by auditing a few drawn images with a network of random weights.
set -euo pipefail
: "${NUMBA_CACHE_DIR:?where the compiled kernels are to be kept}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
filterscope=(python -m filterscope)
"${filterscope[@]}" sample "$folder/data" --images 24 --seed 0
"${filterscope[@]}" audit --model torchvision:squeezenet1_1@random:0 --data "$folder/data" --layers features.12 --no-report \
    --min-images 2 --batch-size 8 --image-block 8 --device cpu --methods dissection,significance,anchorings,parts \
    --out "$folder/run"
"${filterscope[@]}" audit --model torchvision:squeezenet1_1@random:0 --data "$folder/data" --layers features.12 --no-report \
    --min-images 2 --batch-size 8 --image-block 8 --device cpu --mask-mode survey --methods dissection \
    --out "$folder/survey"
find "$NUMBA_CACHE_DIR" -name '*.nbi' | wc -l
