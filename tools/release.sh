#!/bin/sh
# release.sh VERSION: make all that a release has, from the commit that is checked out, in
# dist/VERSION/ (or $DIST/VERSION/): the source archive, its Debian packages, the rpms of each release of
# Red Hat's family, a wheel, and SHA256SUMS of all. Refused unless the checkout is clean and the version
# and the changelogs agree. Then it sets the tag vVERSION, unless it is there; nothing is pushed.
# A second run makes the same files, to the byte.
set -eu
umask 022
tools=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tools")
version=${1:-}
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$root"

fail() {
    echo "release: $1" >&2
    exit 1
}
says() {      # FILE PATTERN
    grep -q -e "$2" "$1" || fail "$1 does not say $version: expected $2"
}

case $version in
    [0-9]*.[0-9]*.[0-9]*) ;;
    *) fail "VERSION must be like 3.0.0, not '$version'";;
esac
literal=$(echo "$version" | sed 's/\./\\./g')
says paf/__init__.py "^VERSION = \"$literal\"$"
says rpm/resource-agents-paf.spec "^Version: *$literal$"
says rpm/resource-agents-paf.spec "^\* .* - 1:$literal-1$"
says debian/changelog "^resource-agents-paf ($literal-1) "
says CHANGELOG.md "^## $literal ([0-9]\{4\}-[0-9][0-9]-[0-9][0-9])$"
[ "$(sed -n 's/^## \([^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)" = "$version" ] ||
    fail "the top section of CHANGELOG.md is another version's"
changes=$(git status --porcelain) || fail "git does not say whether all changes are committed"
[ -z "$changes" ] || fail "the checkout has changes that are not committed"
if git rev-parse --quiet --verify "refs/tags/v$version" > /dev/null; then
    [ "$(git rev-parse "v$version^{commit}")" = "$(git rev-parse HEAD)" ] ||
        fail "the tag v$version is on another commit"
fi

results=${DIST:-$root/dist}/$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/files"
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -ldebian/changelog -STimestamp)
export SOURCE_DATE_EPOCH

echo "release: source archive"
"$tools/copy-source.sh" "$work/resource-agents-paf-$version"
"$tools/pack-source.sh" "$work" "resource-agents-paf-$version" \
    "$work/files/resource-agents-paf-$version.tar.gz"

echo "release: Debian packages"
DIST=$work/deb "$tools/build-deb.sh" both > /dev/null
for kind in deb dsc debian.tar.xz orig.tar.gz; do
    mv "$work"/deb/both/*."$kind" "$work/files"
done

for rhel in 6 7 8 9 10; do
    echo "release: rpm for el$rhel"
    DIST=$work/rpm "$tools/build-rpm.sh" "" "$rhel" > /dev/null
done
mv "$work"/rpm/*/*.rpm "$work/files"

echo "release: wheel"
/usr/bin/python3 -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/files" \
    "$work/resource-agents-paf-$version"

(cd "$work/files" && sha256sum -- * > "$work/SHA256SUMS")
mv "$work/SHA256SUMS" "$work/files"
rm -rf "$results"
mkdir -p "$(dirname "$results")"
mv "$work/files" "$results"
git rev-parse --quiet --verify "refs/tags/v$version" > /dev/null ||
    git tag --annotate --message "PAF $version" "v$version"
echo "release: $results, tag v$version"
