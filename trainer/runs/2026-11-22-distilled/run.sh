#!/usr/bin/env bash
# Continues ../2026-11-22-mix-34 for 15 epochs, with its model as the teacher.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that contains mix-34
set -euo pipefail
here="$(dirname "$0")"
start="$3/mix-34/model.keras"
mien train --recipe "$here/recipe.json" --init-from "$start" --teacher "$start" --data "$1" --ferplus "$2" \
    --run "$3/distilled"
mien model export "$3/distilled" --data "$1" --ferplus "$2" --output "$3/default.tflite"
mien model evaluate "$3/default.tflite" --data "$1" --ferplus "$2" --split PublicTest --json
