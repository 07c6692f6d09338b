#!/usr/bin/env bash
# Continues ../2026-11-22-distilled for 28 epochs, with its model as the teacher, with mixup and more augmentation.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that contains distilled
set -euo pipefail
here="$(dirname "$0")"
start="$3/distilled/model.keras"
mien train --recipe "$here/recipe.json" --init-from "$start" --teacher "$start" --data "$1" --ferplus "$2" \
    --run "$3/regularized"
