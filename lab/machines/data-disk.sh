#!/bin/sh
# Put PostgreSQL's folder on the data disk, through a device-mapper device that trials can change.
#
# A disk that was never written gets a file system and what the image has in the folder. What cannot
# be read is not taken for such a disk. The label is set last: a disk without it was filled in part.
set -eu

DISK=/dev/disk/by-id/virtio-data
DEVICE=/dev/mapper/data
PLACE=/var/lib/postgresql
BLANK=1048576

fill() {
    mkfs.ext4 -q -i 65536 -J size=16 -E nodiscard,lazy_itable_init=0 "$DEVICE"
    mkdir -p /run/data-disk
    mount "$DEVICE" /run/data-disk
    cp -a "$PLACE/." /run/data-disk
    umount /run/data-disk
    e2label "$DEVICE" data
}

modprobe dm_mod
dmsetup create data --table "0 $(blockdev --getsz "$DISK") linear $DISK 0"
status=0
cmp -s -n "$BLANK" "$DEVICE" /dev/zero || status=$?
case $status in
    0) fill ;;
    1) ;;
    *) echo "$DEVICE cannot be read" >&2; exit 1 ;;
esac
[ "$(e2label "$DEVICE")" = data ] || { echo "$DEVICE was not filled to the end" >&2; exit 1; }
# 1: what was wrong is repaired, as after errors of the disk
e2fsck -p "$DEVICE" || [ $? = 1 ]
mount "$DEVICE" "$PLACE"
