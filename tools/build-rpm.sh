#!/bin/sh
# build-rpm.sh VARIANT RHEL: build the rpm and its source rpm in a temporary folder, put them into
# dist/VARIANT/ (or $DIST/VARIANT/) and name the package. VARIANT "": the distribution's own.
# RHEL (6 to 10): pretend to be that release; "": this machine's distribution.
set -eu
umask 022
tools=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tools")
variant=$1
rhel=$2
# A python3 of the builder's own (pyenv...) has nothing to do with the package.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

command -v rpmbuild > /dev/null || {
    echo "make rpm needs rpmbuild (apt-get install rpm, or yum install rpm-build)" >&2; exit 1; }

set --
if [ -n "$rhel" ]; then
    set -- --define "rhel $rhel" --define "dist .el$rhel"
fi
if [ -z "$variant" ]; then
    [ "${rhel:-$(rpm --eval '%{?rhel}')}" = 6 ] && variant=corosync1 || variant=corosync2
fi
case $variant in
    corosync1) set -- "$@" --with corosync1;;
    corosync2) set -- "$@" --without corosync1;;
esac
# where rpm is a guest, its database does not know what is installed
rpm --query --quiet rpm || set -- "$@" --nodeps

spec=$root/rpm/resource-agents-paf.spec
version=$(sed -n 's/^Version: *//p' "$spec")
# two builds of one version are the same to the byte: times are those of the changelog
SOURCE_DATE_EPOCH=$(date --utc --date "$(sed -n 's/^\* \(... ... .. ....\) .*/\1/p' "$spec" | head -n 1) 12:00" +%s)
export SOURCE_DATE_EPOCH
set -- "$@" --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" \
    --define "clamp_mtime_to_source_date_epoch 1" \
    --define "build_mtime_policy clamp_to_source_date_epoch"
# always the same folder: the source rpm has its name in it. One build at a time: /tmp is locked,
# as a lock file there belongs to who made it, and root may not write to it either
work=/tmp/resource-agents-paf-rpm
exec 9< /tmp
flock 9
rm -rf "$work" 2> /dev/null || {
    echo "make rpm: $work belongs to another user: remove it" >&2; exit 1; }
mkdir -m 700 "$work"
trap 'rm -rf "$work"' EXIT
mkdir "$work/SOURCES"
"$tools/copy-source.sh" "$work/resource-agents-paf-$version"
"$tools/pack-source.sh" "$work" "resource-agents-paf-$version" \
    "$work/SOURCES/resource-agents-paf-$version.tar.gz"

# the source rpm keeps the times of what it holds
cp "$spec" "$work/SOURCES"
spec=$work/SOURCES/$(basename "$spec")
touch --date "@$SOURCE_DATE_EPOCH" "$work/SOURCES"/*

rpmbuild -ba --define "_topdir $work" "$@" "$spec" > "$work/log" 2>&1 || {
    cat "$work/log" >&2; echo "the package could not be built" >&2; exit 1; }

results=${DIST:-$root/dist}/$variant
mkdir -p "$results"
mv -f "$work"/SRPMS/*.rpm "$results"
package=$(cd "$work/RPMS/noarch" && ls)
mv -f "$work/RPMS/noarch/$package" "$results"
echo "${results#"$root"/}/$package"
