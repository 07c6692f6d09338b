#!/usr/bin/env bash
# A wider, residual network on FER-2013's own labels: 12 epochs on pictures of 32x32, taught by ../2026-11-22-balanced,
# and from there 8 of the full size, taught by both. After a kill the same command goes on.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
balanced="$(dirname "$0")/../2026-11-22-balanced/model.keras"
learn() {
    local run="$1"; shift
    local resume=(); [[ -e "$run/config.json" ]] && resume=(--resume)
    mien train "$@" --labels fer --weight-decay 0.05 --class-weighting 0.25 --label-smoothing 0.02 \
        --rotation-degrees 12 --scale 0.15 --shift-pixels 4 --erased-share 0.1 --run "$run" "${resume[@]}"
}
learn "$3/small" --data "$1" --ferplus "$2" --teacher "$balanced" --network cnn-residual-32 --epochs 12 \
    --learning-rate 2e-3
mien fuse "$balanced" "$3/small/model.keras" --out "$3/teacher.keras"
learn "$3/residual" --data "$1" --ferplus "$2" --teacher "$3/teacher.keras" --network cnn-residual \
    --from "$3/small/model.keras" --epochs 8 --learning-rate 1.5e-3
