#!/usr/bin/env bash
# The network with two BiLSTMs beside global average pooling, from its run in ../comparison, on FER-2013's labels; the
# teacher is an ensemble of ../2026-11-23-long and ../2026-11-23-fer-labels. Run it again after a kill to resume.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that contains long, fer-labels and compare
set -euo pipefail
here="$(dirname "$0")"
[[ -e "$3/ensemble.keras" ]] ||
    mien model ensemble "$3/long/model.keras" "$3/fer-labels/model.keras" --output "$3/ensemble.keras"
resume=(); [[ -e "$3/both/recipe.json" ]] && resume=(--resume)
mien train --recipe "$here/recipe.json" --init-from "$3/compare/cnn-bilstm-both/model.keras" \
    --teacher "$3/ensemble.keras" --data "$1" --ferplus "$2" --run "$3/both" "${resume[@]}"
