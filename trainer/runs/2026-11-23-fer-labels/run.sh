#!/usr/bin/env bash
# FER-2013's labels, starting from the shipped weights, which are also the teacher. The result is not shipped: what it
# gains on FER-2013's labels, it loses in agreement with people.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
mien train --recipe "$here/recipe.json" --data "$1" --ferplus "$2" --run "$3/fer-labels"
