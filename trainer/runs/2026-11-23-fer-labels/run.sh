#!/usr/bin/env bash
# FER-2013's own labels, from the weights that ship, which teach too. Its file is not shipped: what FER-2013's labels
# gain, agreement with people loses.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
first="$(dirname "$0")/../2026-11-22-balanced/model.keras"
mien train --data "$1" --ferplus "$2" --labels fer --from "$first" --teacher "$first" --epochs 18 \
    --learning-rate 1.2e-3 --weight-decay 0.05 --class-weighting 0.3 --label-smoothing 0.05 --mixup 0.2 \
    --rotation-degrees 12 --scale 0.15 --shift-pixels 4 --erased-share 0.2 --run "$3/fer-labels"
