#!/usr/bin/env bash
# The CNN-BiLSTM grown by three residual blocks: continues ../2026-11-22-balanced for 22 epochs with the corruptions of
# cameras. Run it again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/grown"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
[[ -e "$run/metrics.json" ]] ||
    mien train --recipe "$here/recipe.json" --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
