#!/usr/bin/env bash
# The source paper's table: all networks with one recipe and budget. Finished runs are beside this file, a folder each.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER [EPOCHS], 12 unless given; 100 on a GPU
set -euo pipefail
here="$(dirname "$0")"
epochs=(); [[ $# -gt 3 ]] && epochs=(--epochs "$4")
for network in cnn-bilstm cnn-bilstm-both cnn cnn-same-size bilstm hero; do
    run="$3/$network"
    resume=(); [[ -e "$run/recipe.json" ]] && resume=(--resume)
    [[ -e "$run/metrics.json" ]] ||
        mien train --recipe "$here/$network/recipe.json" --data "$1" --ferplus "$2" --run "$run" "${epochs[@]}" \
            "${resume[@]}"
done
mien model compare "$3"/*/
