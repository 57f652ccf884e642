#!/bin/sh
# build-deb.sh VARIANT: build the Debian package and its source package in a temporary copy,
# put them into dist/VARIANT/ (or $DIST/VARIANT/) and name the package. With VARIANT "both": both
# packages, as Debian's own builders make them, in dist/both/. $UNCHECKED, if set: even where
# packages are missing to build with, such as a compiler, which this one has no use for.
set -eu
umask 022
tools=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tools")
variant=$1
# A python3 of the builder's own (pyenv...) has nothing to do with the package.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

command -v dpkg-buildpackage > /dev/null || {
    echo "make deb needs programs: apt-get install build-essential debhelper dh-python" >&2
    exit 1; }
if [ -z "${UNCHECKED:-}" ]; then
    absent=$(cd "$root" && dpkg-checkbuilddeps 2>&1) || {
        echo "make deb: ${absent#dpkg-checkbuilddeps: error: }" >&2
        echo "Install them with: apt-get build-dep $root" >&2; exit 1; }
fi

version=$(dpkg-parsechangelog -l"$root/debian/changelog" -SVersion)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# debian/rules runs as a program, and /tmp may be mounted noexec
printf '#!/bin/sh\n' > "$work/program"
chmod 755 "$work/program"
"$work/program" 2> /dev/null || {
    rm -rf "$work"
    mkdir -p "$root/build"
    work=$(mktemp -d "$root/build/deb.XXXXXX"); }
rm -f "$work/program"
source=$work/resource-agents-paf-${version%-*}
"$tools/copy-source.sh" "$source"
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l"$root/debian/changelog" -STimestamp)
export SOURCE_DATE_EPOCH
"$tools/pack-source.sh" "$work" "$(basename "$source")" \
    "$work/resource-agents-paf_${version%-*}.orig.tar.gz" debian

case $variant in
    both) chosen="" package=resource-agents-paf;;
    corosync1) chosen=$variant package=resource-agents-paf-corosync1;;
    *) chosen=$variant package=resource-agents-paf;;
esac
(cd "$source" && PAF_VARIANT=$chosen dpkg-buildpackage -us -uc ${UNCHECKED:+-d}) > "$work/log" 2>&1 || {
    cat "$work/log" >&2; echo "the package could not be built" >&2; exit 1; }

results=${DIST:-$root/dist}/$variant
mkdir -p "$results"
find "$work" -maxdepth 1 -type f ! -name log -exec mv -f {} "$results" \;
echo "${results#"$root"/}/${package}_${version}_all.deb"
