#!/usr/bin/env bash
# The first stage of ../2026-11-23-residual: 12 epochs on images of 32x32 with ../2026-11-22-balanced as the teacher.
# Run it again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/small"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
[[ -e "$run/metrics.json" ]] ||
    mien train --recipe "$here/recipe.json" --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
