#!/usr/bin/env bash
# 17 epochs more of ../2026-11-24-residual-firm, taught by it and ../2026-11-24-residual-longer together (pair.keras).
# OUT_FOLDER is that of their run.sh, where their models lie: run those first. After a kill the same command goes on.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
run="$3/third"
resume=(); [[ -e "$run/config.json" ]] && resume=(--resume)
mien fuse "$3/longer/model.keras" "$3/firm/model.keras" --out "$3/pair.keras"
mien train --data "$1" --ferplus "$2" --labels fer --network cnn-residual --from "$3/firm/model.keras" \
    --teacher "$3/pair.keras" --epochs 17 --learning-rate 1.5e-3 --weight-decay 0.05 --class-weighting 0.35 \
    --rotation-degrees 12 --scale 0.15 --shift-pixels 4 --erased-share 0.2 --mixup 0.1 --run "$run" "${resume[@]}"
