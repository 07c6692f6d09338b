#!/usr/bin/env bash
# The network of two BiLSTMs beside the mean over the map, from its run in ../comparison, on FER-2013's own labels; the
# runs of ../2026-11-23-long and ../2026-11-23-fer-labels teach together. After a kill the same command goes on.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that holds long, fer-labels and compare
set -euo pipefail
[[ -e "$3/fused.keras" ]] || mien fuse "$3/long/model.keras" "$3/fer-labels/model.keras" --out "$3/fused.keras"
resume=(); [[ -e "$3/both/config.json" ]] && resume=(--resume)
mien train --data "$1" --ferplus "$2" --labels fer --network cnn-bilstm-both \
    --from "$3/compare/cnn-bilstm-both/model.keras" --teacher "$3/fused.keras" \
    --epochs 32 --learning-rate 2e-3 --weight-decay 0.05 --class-weighting 0.3 --label-smoothing 0.05 --mixup 0.2 \
    --rotation-degrees 12 --scale 0.15 --shift-pixels 4 --erased-share 0.2 --run "$3/both" "${resume[@]}"
