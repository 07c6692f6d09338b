#!/usr/bin/env bash
# From nothing, 34 epochs on half FER-2013's labels, half FER+'s votes.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
mien train --data "$1" --ferplus "$2" --labels mix --epochs 34 --run "$3/mix-34"
