#!/bin/sh
# Installs or upgrades mien's agent on this Raspberry Pi from the bundle that contains this file: sudo ./install.sh
# Removes it, except unsent observations: sudo ./install.sh uninstall
PYTHONPATH="$(dirname "$0")" exec python3 -P -B -m installer "$@"
