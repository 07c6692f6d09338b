#!/usr/bin/env bash
# 45 more epochs of ../2026-11-25-grown on votes and labels alone, without a teacher. Run it again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/longer"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
[[ -e "$run/metrics.json" ]] ||
    mien train --recipe "$here/recipe.json" --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
