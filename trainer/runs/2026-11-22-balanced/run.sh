#!/usr/bin/env bash
# The shipped model: continues ../2026-11-22-regularized for 9 epochs, with its model as the teacher and more weight on
# rare emotions. model.keras beside this file is the result, to start from.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that contains regularized
set -euo pipefail
here="$(dirname "$0")"
start="$3/regularized/model.keras"
mien train --recipe "$here/recipe.json" --init-from "$start" --teacher "$start" --data "$1" --ferplus "$2" \
    --run "$3/balanced"
mien model export "$3/balanced" --data "$1" --ferplus "$2" --output "$3/default.tflite"
mien model evaluate "$3/default.tflite" --data "$1" --ferplus "$2" --split PublicTest --json
