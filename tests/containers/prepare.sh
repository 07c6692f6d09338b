#!/usr/bin/env bash
# Creates what the containers' images are made of, where no registry can be reached:
#   prepare.sh FOLDER PYTHON
# FOLDER/base.tar: Debian trixie with Python 3.13, mosquitto 2.0 and PostgreSQL 17. FOLDER/bin/podman-compose.
# Does nothing where that is impossible: the tests are then skipped, and say why.
set -euo pipefail
folder=$(realpath -m "$1")
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
if [[ $EUID != 0 ]] || ! command -v mmdebstrap buildah podman runc >/dev/null; then
    echo "not root, or no mmdebstrap, buildah, podman and runc (make system-all): the tests with containers will be skipped"
    exit 0
fi
rm -rf "$folder"
"$2" -m venv "$folder"
"$folder/bin/pip" install --quiet --quiet --disable-pip-version-check 'podman-compose>=1.3,<2'
# Python as in the image python: in /usr/local, with nothing of Debian's beside it.
mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings \
    --include=ca-certificates,mosquitto,netcat-openbsd,postgresql,python3-venv \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='chroot "$1" python3 -m venv /usr/local && rm -r "$1"/var/lib/postgresql/*' \
    trixie "$folder/base.tar" "$mirror"
touch "$folder/installed"
