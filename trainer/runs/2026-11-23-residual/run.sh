#!/usr/bin/env bash
# A wider, residual network on FER-2013's labels: first ../2026-11-23-residual-32, then 8 epochs at full size with an
# ensemble of ../2026-11-22-balanced and the first stage as the teacher. Run it again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
run="$3/residual"
bash "$here/../2026-11-23-residual-32/run.sh" "$@"
mien model ensemble "$here/../2026-11-22-balanced/model.keras" "$3/small/model.keras" --output "$3/teacher.keras"
resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
mien train --recipe "$here/recipe.json" --init-from "$3/small/model.keras" --teacher "$3/teacher.keras" \
    --data "$1" --ferplus "$2" --run "$run" "${resume[@]}"
