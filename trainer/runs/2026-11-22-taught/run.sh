#!/usr/bin/env bash
# Goes on from the 34 epochs of ../2026-11-22-mix-34 for 15 more, which are its teacher too.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
first="$3/mix-34/model.keras"
mien train --data "$1" --ferplus "$2" --labels mix --from "$first" --teacher "$first" --epochs 15 --learning-rate 1e-3 \
    --class-weighting 0.4 --rotation-degrees 10 --shift-pixels 4 --erased-share 0.1 --run "$3/taught"
mien export "$3/taught" --data "$1" --ferplus "$2" --out "$3/default.tflite"
mien evaluate "$3/default.tflite" --data "$1" --ferplus "$2" --usage PublicTest --json
