#!/bin/sh
# Installs or upgrades mien's agent on this Raspberry Pi, from the kit that this file stands in: sudo ./install.sh
# Removes it, but what it has observed: sudo ./install.sh uninstall
exec python3 "$(dirname "$0")/installer.py" "$@"
