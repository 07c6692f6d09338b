#!/usr/bin/env bash
# Installs Home Assistant into an environment of its own, with what its MQTT integration needs:
#   prepare.sh FOLDER
# Does nothing where there is no Python 3.12, the only one that this version runs on; its tests are then skipped.
set -euo pipefail
version=2024.12.5
folder=$(realpath -m "$1")
rm -rf "$folder"

find_python() {
    local candidate
    for candidate in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python; do
        if [[ $("$candidate" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null) == "3 12" ]]; then
            echo "$candidate"
            return
        fi
    done
    return 1
}
if ! python=$(find_python); then
    echo "no Python 3.12 here: the tests with Home Assistant will be skipped"
    exit 0
fi
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "homeassistant==$version"

# Home Assistant installs the requirements of its integrations when it starts. The test starts it without a network.
"$folder/bin/python" - >"$folder/requirements.txt" <<'END'
import json
from pathlib import Path

from homeassistant import components
from homeassistant.bootstrap import CORE_INTEGRATIONS, DEFAULT_INTEGRATIONS

folder = Path(components.__path__[0])
waiting, known = {"api", "mqtt", *CORE_INTEGRATIONS, *DEFAULT_INTEGRATIONS}, set()
while waiting:
    name = waiting.pop()
    known.add(name)
    manifest = json.loads((folder / name / "manifest.json").read_text())
    print(*manifest.get("requirements", []), sep="\n")
    waiting |= set(manifest.get("dependencies", [])) - known
END
constraints=$(echo "$folder"/lib/python3.12/site-packages/homeassistant/package_constraints.txt)
"$folder/bin/python" -m pip install --quiet --quiet --disable-pip-version-check \
    --requirement "$folder/requirements.txt" --constraint "$constraints"
touch "$folder/installed"
