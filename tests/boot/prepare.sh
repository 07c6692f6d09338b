#!/usr/bin/env bash
# Makes the system of a 64-bit Raspberry Pi, as far as an emulator can boot it, on any Debian machine, as root:
#   prepare.sh FOLDER
# FOLDER/root.ext4: Debian trixie for arm64 with what Raspberry Pi OS Lite has that a first boot needs: systemd, cloud-init
# with netplan, the SSH server, Python. The packages are unpacked but not configured, which would take an emulated processor
# twelve minutes; this script does what of that the first boot needs. FOLDER/kernel: Debian's, since the emulated machine is
# not a Pi. FOLDER/initrd: mounts the root file system. FOLDER/recipe, written last, is the checksum of this file, by which
# the tests know that the system is complete and as this file makes it.
set -euo pipefail
folder=$(realpath -m "$1")
root=$folder/root
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
export PATH=$PATH:/usr/sbin:/sbin
packages=base-files,bash,bsdutils,coreutils,dash,diffutils,findutils,grep,gzip,hostname,mawk,mount,sed,tar
packages+=,util-linux,systemd,systemd-sysv,systemd-timesyncd,dbus,libpam-systemd,udev,kmod,linux-image-arm64
packages+=,busybox-static,cloud-init,netplan.io,netcat-openbsd,iproute2,e2fsprogs,dosfstools,openssh-server
packages+=,sudo,login,passwd,python3

if [[ $(id -u) != 0 ]]; then
    echo "prepare.sh: only root can make the system's files belong to root: run it with sudo" >&2
    exit 2
fi
for program in mmdebstrap depmod cpio xz mke2fs systemctl systemd-sysusers; do
    command -v $program >/dev/null || { echo "prepare.sh: $program is not installed: make system-all" >&2; exit 2; }
done

rm -rf --one-file-system "$folder"
mkdir -p "$folder"
mmdebstrap --quiet --variant=extract --keyring=/usr/share/keyrings --architectures=arm64 --include="$packages" \
    trixie "$root" "$mirror"
trap 'rm -rf "$root" "$folder/python" "$folder/initrd.d"' EXIT

# What the packages' own scripts would have done: accounts, links to the programs of several packages, PAM, services.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
# `u!`, a locked account, is newer than the systemd of Debian 12.
{ sed 's/^u! /u /' "$root"/usr/lib/sysusers.d/*.conf; echo 'g gpio -'; } | systemd-sysusers --root="$root" - 2>/dev/null
mkdir -p "$root/opt" "$root/usr/local/bin"
ln -sf dash "$root/usr/bin/sh"
ln -sf mawk "$root/usr/bin/awk"
ln -sf nc.openbsd "$root/usr/bin/nc"
cp "$root/usr/share/openssh/sshd_config" "$root/etc/ssh/sshd_config"
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
for kind in auth account password session session-noninteractive; do
    printf '%s required pam_unix.so\n' "${kind%-noninteractive}" >"$root/etc/pam.d/common-$kind"
done
printf 'session optional pam_systemd.so\n' >>"$root/etc/pam.d/common-session"
# Compiled by the same version of Python for this machine, which takes seconds instead of minutes.
mmdebstrap --quiet --variant=extract --keyring=/usr/share/keyrings --include=python3-minimal \
    trixie "$folder/python" "$mirror"
loader=$(echo "$folder"/python/usr/lib/*-linux-gnu/ld-linux*.so.*)
PYTHONHOME=$folder/python/usr "$loader" --library-path "$(dirname "$loader")" "$folder/python/usr/bin/python3.13" \
    -S -m compileall -q -s "$root" -p / "$root/usr/lib/python3.13" "$root/usr/lib/python3"
kernel=$(basename "$root"/usr/lib/modules/*)
depmod -b "$root" "$kernel"
systemctl --quiet --root="$root" preset-all
systemctl --quiet --root="$root" set-default multi-user.target

# As on a Pi: the partitions by name, the groups of its devices, the network's name, no SSH server before it is asked for.
mkdir -p "$root/boot/firmware"
cat >"$root/etc/fstab" <<'FSTAB'
proc /proc proc defaults 0 0
PARTUUID=6d69656e-01 /boot/firmware vfat defaults 0 2
PARTUUID=6d69656e-02 / ext4 defaults,noatime 0 1
FSTAB
ln -s /dev/null "$root/etc/systemd/network/99-default.link"
systemctl --quiet --root="$root" disable ssh.service ssh.socket e2scrub_reap.service
# The kernel's devices and the services may take an emulator on a busy machine longer than systemd's 90 s.
mkdir -p "$root/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultDeviceTimeoutSec=20min\nDefaultTimeoutStartSec=20min\n' \
    >"$root/etc/systemd/system.conf.d/slow-emulator.conf"
# As pi-gen's stage2/04-cloud-init has it, with the mount that Raspberry Pi's own cloud-init waits for.
cat >"$root/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg" <<'CONFIG'
datasource_list: [ NoCloud, None ]
datasource:
  NoCloud:
    seedfrom: file:///boot/firmware
# An emulated processor takes half a minute for an RSA key that nobody uses.
ssh_genkeytypes: [ ed25519 ]
CONFIG
for unit in cloud-init-main cloud-init-local; do
    mkdir -p "$root/etc/systemd/system/$unit.service.d"
    printf '[Unit]\nRequiresMountsFor=/boot/firmware\n' >"$root/etc/systemd/system/$unit.service.d/boot-partition.conf"
done
# As an image of Raspberry Pi OS leaves it: an empty ID says that the system is not new, so that units are not preset anew.
: >"$root/etc/machine-id"
touch "$root/etc/.updated" "$root/var/.updated"

# The test reads the journal on the serial port.
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nForwardToConsole=yes\nTTYPath=/dev/ttyAMA0\nMaxLevelConsole=info\n' \
    >"$root/etc/systemd/journald.conf.d/serial.conf"
systemctl --quiet --root="$root" mask serial-getty@ttyAMA0.service getty@tty1.service

# The initrd of Debian would be made by its own programs for the Pi's processor; this one does the same for one disk.
cp "$root"/boot/vmlinuz-* "$folder/kernel"
mkdir -p "$folder/initrd.d/modules"
cp "$root/usr/bin/busybox" "$folder/initrd.d/busybox"
for module in crypto/crc32c_generic lib/crc16 fs/mbcache fs/jbd2/jbd2 fs/ext4/ext4 drivers/block/virtio_blk; do
    xz -dc "$root/usr/lib/modules/$kernel/kernel/$module.ko.xz" >"$folder/initrd.d/modules/${module##*/}.ko"
done
cat >"$folder/initrd.d/init" <<'INIT'
#!/busybox sh
# Mounts the root file system that the command line names by PARTUUID, and starts its system.
/busybox mkdir -p /proc /dev /root
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs devtmpfs /dev
for module in crc32c_generic crc16 mbcache jbd2 ext4 virtio_blk; do
    /busybox insmod "/modules/$module.ko"
done
while [ ! -e /dev/vda2 ]; do /busybox sleep 0.2; done
disk=$(/busybox hexdump -s 440 -n 4 -e '1/4 "%08x"' /dev/vda)
for parameter in $(/busybox cat /proc/cmdline); do
    case $parameter in root=PARTUUID=$disk-*) partition=${parameter##*-0} ;; esac
done
/busybox mount -t ext4 -o ro "/dev/vda$partition" /root || { echo "initrd: no root file system"; /busybox poweroff -f; }
/busybox mount --move /dev /root/dev
/busybox umount /proc
exec /busybox switch_root /root /usr/sbin/init
INIT
chmod +x "$folder/initrd.d/init"
(cd "$folder/initrd.d" && find . | cpio --quiet --create --format=newc --owner=0:0) >"$folder/initrd"

mke2fs -q -t ext4 -L rootfs -d "$root" "$folder/root.ext4" 1800M
sha256sum <"$0" >"$folder/recipe"
