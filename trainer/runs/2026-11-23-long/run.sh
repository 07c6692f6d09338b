#!/usr/bin/env bash
# The best network of the comparison in a long run on FER-2013's labels, with ../2026-11-23-fer-labels as the teacher.
# Run it again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that contains fer-labels
set -euo pipefail
here="$(dirname "$0")"
resume=(); [[ -e "$3/long/recipe.json" ]] && resume=(--resume)
mien train --recipe "$here/recipe.json" --teacher "$3/fer-labels/model.keras" --data "$1" --ferplus "$2" \
    --run "$3/long" "${resume[@]}"
