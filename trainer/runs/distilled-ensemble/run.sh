#!/usr/bin/env bash
# Not run yet: it wants a GPU. Two residual networks, one on FER-2013's labels and one on the mix, and HERO, all with
# corruptions, then the CNN-BiLSTM with residual blocks, distilled from their ensemble (flips averaged). Run it again
# after a kill to resume.
# KERAS_BACKEND=jax bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
here="$(dirname "$0")"
data=(--data "$1" --ferplus "$2")

train() { # RECIPE RUN OPTIONS...: start, resume or skip a run
    local recipe="$1" run="$2" resume=()
    shift 2
    [[ -e "$run/metrics.json" ]] && return
    [[ -e "$run/recipe.json" ]] && resume=(--resume)
    mien train --recipe "$recipe" --run "$run" "$@" "${data[@]}" "${resume[@]}"
}

teachers=()
for name in labels people hero; do
    train "$here/$name/recipe.json" "$3/$name"
    teachers+=("$3/$name/model.keras")
done
[[ -e "$3/ensemble.keras" ]] || mien model ensemble "${teachers[@]}" --mirrored --output "$3/ensemble.keras"
train "$here/recipe.json" "$3/student" --init-from "$here/../2026-11-22-balanced/model.keras" \
    --teacher "$3/ensemble.keras"
