#!/usr/bin/env bash
# Formerly the shipped model: continues ../2026-11-22-first for 7 epochs, with half of each label from FER+'s votes.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER, the folder that contains first
# Made with the trainer of commit 5d6e17b, whose network differed: today's trainer gives another result.
set -euo pipefail
here="$(dirname "$0")"
mien train --recipe "$here/recipe.json" --init-from "$3/first/model.keras" --data "$1" --ferplus "$2" --run "$3/mix"
mien model export "$3/mix" --data "$1" --ferplus "$2" --output "$3/default.tflite"
mien model evaluate "$3/default.tflite" --data "$1" --ferplus "$2" --split PublicTest --json
