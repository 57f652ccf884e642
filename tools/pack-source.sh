#!/bin/sh
# pack-source.sh FOLDER NAME FILE [WITHOUT]: pack FOLDER/NAME into FILE (.tar.gz), the same to the byte
# on any machine at any time: sorted, times of $SOURCE_DATE_EPOCH, no owners. WITHOUT: what is left out.
set -eu
tar --create --gzip --directory "$1" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --format=gnu \
    --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX ${4:+"--exclude=$2/$4"} --file "$3" "$2"
