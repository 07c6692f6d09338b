#!/usr/bin/env bash
# The first run: FER-2013's own labels, 14 epochs, about 75 minutes on two cores that did other work besides.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
# With the trainer of commit 5d6e17b: the network and the options are others now.
set -euo pipefail
mien train --data "$1" --run "$3/first" --epochs 14 --batch-size 64 --learning-rate 2e-3 --label-smoothing 0.1 --seed 1
mien export "$3/first" --data "$1" --out "$3/first.tflite"
mien evaluate "$3/first.tflite" --data "$1" --ferplus "$2" --usage PublicTest --json
