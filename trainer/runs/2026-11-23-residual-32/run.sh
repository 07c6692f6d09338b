#!/usr/bin/env bash
# The first stage of ../2026-11-23-residual, which runs both.
# bash run.sh fer2013.csv.xz fer2013new.csv OUT_FOLDER
set -euo pipefail
exec bash "$(dirname "$0")/../2026-11-23-residual/run.sh" "$@"
