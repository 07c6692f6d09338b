#!/usr/bin/env bash
# Continues ../2026-11-25-grown for 12 epochs, with an ensemble of its model and ../2026-11-22-balanced as the teacher.
# Run ../2026-11-25-grown/run.sh first, with the same OUT_FOLDER. Run this again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/robust"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
mien model ensemble "$here/../2026-11-22-balanced/model.keras" "$3/grown/model.keras" --output "$3/teacher-robust.keras"
mien train --recipe "$here/recipe.json" --init-from "$3/grown/model.keras" --teacher "$3/teacher-robust.keras" \
    --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
