#!/usr/bin/env bash
# Continues ../2026-11-24-residual-longer for 18 epochs with stronger augmentation and an ensemble of its model and
# ../2026-11-22-balanced as the teacher. Run ../2026-11-24-residual-longer/run.sh first, with the same OUT_FOLDER. Run
# this again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/firm"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
mien model ensemble "$here/../2026-11-22-balanced/model.keras" "$3/longer/model.keras" --output "$3/teacher-firm.keras"
mien train --recipe "$here/recipe.json" --init-from "$3/longer/model.keras" --teacher "$3/teacher-firm.keras" \
    --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
