#!/usr/bin/env bash
# The network that gained most in the comparison, for as long as it takes, on FER-2013's own labels; the run of
# ../2026-11-23-fer-labels teaches. After a kill the same command goes on.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that holds fer-labels
set -euo pipefail
resume=(); [[ -e "$3/long/config.json" ]] && resume=(--resume)
mien train --data "$1" --ferplus "$2" --labels fer --network cnn-same-size --teacher "$3/fer-labels/model.keras" \
    --epochs 50 --learning-rate 2e-3 --weight-decay 0.05 --class-weighting 0.3 --label-smoothing 0.05 --mixup 0.2 \
    --rotation-degrees 12 --scale 0.15 --shift-pixels 4 --erased-share 0.2 --run "$3/long" "${resume[@]}"
