#!/usr/bin/env bash
# The source paper's table: all networks by one recipe and budget. What has run stands here, a folder each.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER [EPOCHS], 12 on a CPU, 100 on a GPU
set -euo pipefail
for network in cnn-bilstm cnn-bilstm-both cnn cnn-same-size bilstm hero; do
    resume=(); [[ -e "$3/$network/config.json" ]] && resume=(--resume)
    [[ -e "$3/$network/metrics.json" ]] ||
        mien train --data "$1" --ferplus "$2" --network "$network" --epochs "${4:-12}" --run "$3/$network" "${resume[@]}"
done
mien compare "$3"/*/
