#!/usr/bin/env bash
# Continues ../2026-11-23-residual for 15 epochs, with an ensemble of ../2026-11-22-balanced and its own start as the
# teacher. Run ../2026-11-23-residual/run.sh first, with the same OUT_FOLDER. Run this again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/longer"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
mien model ensemble "$here/../2026-11-22-balanced/model.keras" "$3/residual/model.keras" \
    --output "$3/teacher-longer.keras"
mien train --recipe "$here/recipe.json" --init-from "$3/residual/model.keras" --teacher "$3/teacher-longer.keras" \
    --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
