#!/usr/bin/env bash
# 15 epochs more of ../2026-11-23-residual, taught by ../2026-11-22-balanced and by what it was itself. OUT_FOLDER is that
# of its run.sh, where its model lies: run that first. After a kill the same command goes on.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
balanced="$(dirname "$0")/../2026-11-22-balanced/model.keras"
run="$3/longer"
resume=(); [[ -e "$run/config.json" ]] && resume=(--resume)
mien fuse "$balanced" "$3/residual/model.keras" --out "$3/teacher-longer.keras"
mien train --data "$1" --ferplus "$2" --labels fer --network cnn-residual --from "$3/residual/model.keras" \
    --teacher "$3/teacher-longer.keras" --epochs 15 --learning-rate 1.2e-3 --weight-decay 0.05 --class-weighting 0.25 \
    --label-smoothing 0.02 --rotation-degrees 12 --scale 0.15 --shift-pixels 4 --erased-share 0.1 --run "$run" \
    "${resume[@]}"
