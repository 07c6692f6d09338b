#!/usr/bin/env bash
# 18 epochs more of ../2026-11-24-residual-longer under stronger augmentation, taught by it and ../2026-11-22-balanced.
# OUT_FOLDER is that of its run.sh, where its model lies: run that first. After a kill the same command goes on.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
balanced="$(dirname "$0")/../2026-11-22-balanced/model.keras"
run="$3/firm"
resume=(); [[ -e "$run/config.json" ]] && resume=(--resume)
mien fuse "$balanced" "$3/longer/model.keras" --out "$3/teacher-firm.keras"
mien train --data "$1" --ferplus "$2" --labels fer --network cnn-residual --from "$3/longer/model.keras" \
    --teacher "$3/teacher-firm.keras" --epochs 18 --learning-rate 1.2e-3 --weight-decay 0.05 --class-weighting 0.25 \
    --rotation-degrees 15 --scale 0.2 --shift-pixels 4 --erased-share 0.25 --mixup 0.2 --run "$run" "${resume[@]}"
