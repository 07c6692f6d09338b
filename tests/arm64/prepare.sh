#!/usr/bin/env bash
# Creates a folder in which the device's programs run as on 64-bit Raspberry Pi OS, on any Debian machine:
#   prepare.sh FOLDER [PYTHON]
# FOLDER/emulator: qemu-user from Debian trixie (that of bookworm crashes XNNPACK). FOLDER/root: trixie's Python 3.13 for
# arm64, with cloud-init and netplan. FOLDER/site: mien and its dependencies, from the wheels that a Pi would install. The
# packages are unpacked but not configured, so root is not needed. FOLDER/python runs programs in the folder.
set -euo pipefail
folder=$(realpath -m "$1")
python=$(realpath -s "${2:-python3}")
source=$(realpath "$(dirname "$0")/../..")
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
rm -rf "$folder"
mkdir -p "$folder"

# extract <architecture> <packages> <folder>: unpack packages and their dependencies without configuring them
extract() {
    mmdebstrap --quiet --variant=extract --keyring=/usr/share/keyrings --architectures="$1" --include="$2" \
        trixie "$3" "$mirror"
    [[ -e $3/lib ]] || ln -s usr/lib "$3/lib"
}
extract "$(dpkg --print-architecture)" qemu-user "$folder/whole"
mv "$folder/whole/usr/bin/qemu-aarch64" "$folder/emulator"
rm -rf "$folder/whole"
extract arm64 python3,libstdc++6,cloud-init,python3-netplan "$folder/root"

rm -rf "$source/build"
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder/wheel" "$source"
rm -rf "$source/build"
# OpenCV 4, as the locks for devices have it: 5 has no Haar cascades.
platforms=()
for glibc in 2_36 2_34 2_31 2_28 2_27 2_17; do platforms+=(--platform "manylinux_${glibc}_aarch64"); done
"$python" -m pip install --quiet --target "$folder/site" --only-binary :all: --python-version 3.13 \
    "${platforms[@]}" --platform manylinux2014_aarch64 \
    "$(echo "$folder"/wheel/*.whl)[demo]" 'opencv-python-headless<5' 'hypothesis>=6.130,<7' 'pytest>=8.4,<10' 'pytest-timeout>=2.4,<3'

# Cortex-A72 is the Pi 4's processor, without int8 dot products. sys.executable is this script, so that tests can start
# further Python processes.
cat >"$folder/python" <<END
#!/bin/sh
export QEMU_CPU=cortex-a72 QEMU_LD_PREFIX='$folder/root' PYTHONHOME='$folder/root/usr' PYTHONPATH='$folder/site:$folder'
export PYTHONDONTWRITEBYTECODE=1
exec '$folder/emulator' '$folder/root/usr/bin/python3.13' "\$@"
END
chmod +x "$folder/python"
echo "import sys; sys.executable = '$folder/python'" >"$folder/sitecustomize.py"
