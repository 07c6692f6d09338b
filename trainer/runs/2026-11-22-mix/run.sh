#!/usr/bin/env bash
# The shipped model: goes on from the first run (../2026-11-22-first) for 7 epochs, with half of each label from FER+'s votes.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
# With the trainer of commit 5d6e17b: the network and the options are others now.
set -euo pipefail
mien train --data "$1" --ferplus "$2" --from "$3/first/model.keras" --run "$3/mix" --epochs 7 --batch-size 64 \
    --learning-rate 1e-3 --label-smoothing 0.02 --seed 1
mien export "$3/mix" --data "$1" --out "$3/default.tflite"
mien evaluate "$3/default.tflite" --data "$1" --ferplus "$2" --usage PublicTest --json
