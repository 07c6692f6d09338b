#!/usr/bin/env bash
# 34 epochs from random weights, on half FER-2013's labels and half FER+'s votes.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
mien train --recipe "$here/recipe.json" --data "$1" --ferplus "$2" --run "$3/mix-34"
