#!/usr/bin/env bash
# 9 epochs more of ../2026-11-24-residual-third, now on FER-2013's labels and FER+'s votes, taught by it and
# ../2026-11-22-balanced together. OUT_FOLDER is that of its run.sh, where its model lies: run that first. After a kill
# the same command goes on.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
balanced="$(dirname "$0")/../2026-11-22-balanced/model.keras"
run="$3/people"
resume=(); [[ -e "$run/config.json" ]] && resume=(--resume)
mien fuse "$balanced" "$3/third/model.keras" --out "$3/teacher-people.keras"
mien train --data "$1" --ferplus "$2" --labels mix --network cnn-residual --from "$3/third/model.keras" \
    --teacher "$3/teacher-people.keras" --epochs 9 --learning-rate 1e-3 --weight-decay 0.05 --class-weighting 0.5 \
    --rotation-degrees 12 --scale 0.15 --shift-pixels 4 --erased-share 0.2 --mixup 0.1 --run "$run" "${resume[@]}"
