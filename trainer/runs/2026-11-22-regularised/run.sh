#!/usr/bin/env bash
# Goes on from ../2026-11-22-taught for 28 epochs, which is its teacher too, with mixup and more augmentation.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
first="$3/taught/model.keras"
mien train --data "$1" --ferplus "$2" --labels mix --from "$first" --teacher "$first" --epochs 28 \
    --learning-rate 1.5e-3 --weight-decay 0.05 --class-weighting 0.3 --mixup 0.2 --rotation-degrees 12 --scale 0.15 \
    --shift-pixels 4 --erased-share 0.25 --run "$3/regularised"
