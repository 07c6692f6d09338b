#!/usr/bin/env bash
# Continues ../2026-11-24-residual-firm for 17 epochs, with an ensemble of its model and ../2026-11-24-residual-longer
# as the teacher (pair.keras). Run their run.sh first, with the same OUT_FOLDER. Run this again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/third"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
mien model ensemble "$3/longer/model.keras" "$3/firm/model.keras" --output "$3/pair.keras"
mien train --recipe "$here/recipe.json" --init-from "$3/firm/model.keras" --teacher "$3/pair.keras" \
    --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
