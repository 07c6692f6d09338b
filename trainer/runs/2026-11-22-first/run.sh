#!/usr/bin/env bash
# The first run: FER-2013's labels, 14 epochs, about 75 minutes on two cores that were also busy with other work.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
# Made with the trainer of commit 5d6e17b, whose network differed: today's trainer gives another result.
set -euo pipefail
here="$(dirname "$0")"
mien train --recipe "$here/recipe.json" --data "$1" --run "$3/first"
mien model export "$3/first" --data "$1" --output "$3/first.tflite"
mien model evaluate "$3/first.tflite" --data "$1" --ferplus "$2" --split PublicTest --json
