#!/bin/sh
# build-stdeb.sh PYTHON: build python3-paf from setup.cfg with the stdeb that PYTHON has, check it,
# put it into dist/stdeb/ (or $DIST/stdeb/) and name it.
set -eu
umask 022
tools=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tools")
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
# what stdeb starts belongs to Debian: its python3 builds the package
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$tools/copy-source.sh" "$work/source"
# the nodes' packaging is none of stdeb's
rm -rf "$work/source/debian"

build() {
    cd "$work/source" &&
    "$python" setup.py --command-packages=stdeb.command sdist_dsc &&
    cd deb_dist/paf-[0-9]*/ &&
    dpkg-buildpackage -b -us -uc
}
(build) > "$work/log" 2>&1 || {
    cat "$work/log" >&2
    echo "python3-paf could not be built; if packages are missing, install them with apt-get" >&2
    exit 1; }

package=$(find "$work/source/deb_dist" -maxdepth 1 -name 'python3-paf_*_all.deb')
dpkg-deb --extract "$package" "$work/installed"
version=$(dpkg-deb --field "$package" Version)
modules=$work/installed/usr/lib/python3/dist-packages
# -I and a folder put in front: not the checkout's library
python3 -IB -c "
import sys
sys.path.insert(0, sys.argv[1])
import paf, paf.agent, paf.metadata
sys.exit(not (paf.__file__.startswith(sys.argv[1]) and paf.VERSION + '-1' == sys.argv[2]
              and '<resource-agent' in paf.metadata.xml()))" "$modules" "$version" || {
    echo "python3-paf does not hold the library of this checkout" >&2; exit 1; }
[ -x "$work/installed/usr/bin/paf" ] || {
    echo "python3-paf does not hold the command paf" >&2; exit 1; }
case $(dpkg-deb --field "$package" Recommends) in
    *python3-psycopg2*python3-lxml*) ;;
    *) echo "python3-paf does not recommend python3-psycopg2 and python3-lxml" >&2; exit 1;;
esac

results=${DIST:-$root/dist}/stdeb
mkdir -p "$results"
mv -f "$package" "$results"
package=$results/$(basename "$package")
echo "${package#"$root"/}"
