#!/bin/sh
# check-deb.sh [SUITE ...]: Debian's own checks of the corosync2 package, on a bare system of each suite
# (bullseye, sid; this machine's without an argument): piuparts (install, remove, install again,
# purge, upgrade from the Perl package: what is left over?) and autopkgtest (debian/tests). Root;
# some minutes for each; downloads what a node has installed.
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

for program in mmdebstrap piuparts autopkgtest; do
    command -v $program > /dev/null || {
        echo "check-deb needs $program (tests/install-tools.sh packaging-all)" >&2; exit 1; }
done
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Component: main' |
    grep -v security | head -n 1)
[ $# -gt 0 ] || set -- "$(. /etc/os-release && echo "$VERSION_CODENAME")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=$(DIST=$work "$tools/build-deb.sh" corosync2)
package=$work/corosync2/$(basename "$package")
# one of them diverts /bin/sync, for speed; where that is /usr/bin/sync, debsums complains of it
mkdir "$work/scripts"
for script in /etc/piuparts/scripts/*; do
    grep -q "dpkg-divert.*/bin/sync" "$script" || cp "$script" "$work/scripts"
done

bare() {      # SUITE
    echo "check-deb: a bare $1"
    # no service starts in there, and PostgreSQL makes no cluster of its own; a mirror may be some days
    # old, which counts for sid alone
    mmdebstrap --quiet --variant=minbase --include=ca-certificates \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --customize-hook='printf "#!/bin/sh\nexit 101\n" > "$1/usr/sbin/policy-rc.d"' \
        --customize-hook='chmod 755 "$1/usr/sbin/policy-rc.d"' \
        --customize-hook='mkdir -p "$1/etc/postgresql-common"' \
        --customize-hook='echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"' \
        "$1" "$work/base.tar.gz" "deb $mirror $1 main"
}

# What other packages leave when they go away with this one: debconf without perl; in sid systemd and
# pacemaker, whose folders systemd-tmpfiles makes
OTHERS='(/var/cache/debconf/tmp.ci.*|/var/(lib|log)/pacemaker(/.*)?|/var/(lib|log|cache)/private/?|/root/.ssh/?|/etc/default/locale|/etc/vconsole.conf)'

# the Perl package is in the archive under the same name: piuparts upgrades from it as well
removal() {      # SUITE [OPTION]
    echo "check-deb: piuparts $2"
    # shellcheck disable=SC2086
    piuparts --basetgz="$work/base.tar.gz" --distribution="$1" --mirror="$mirror" $2 \
        --ignore-regex="$OTHERS" --no-eatmydata --scriptsdir="$work/scripts" \
        --log-file="$work/piuparts.log" "$package" > /dev/null || {
        tail -n 60 "$work/piuparts.log" >&2; exit 1; }
    grep -E "^[0-9m.s]+ (PASS|INFO: PASS)" "$work/piuparts.log" || :
}

own_tests() {
    echo "check-deb: autopkgtest"
    rm -rf "$work/chroot" "$work/summary"
    mkdir "$work/chroot"
    tar --extract --file "$work/base.tar.gz" --directory "$work/chroot"
    # the runner mounts nothing by itself; here it all goes away with the namespace
    # shellcheck disable=SC2016
    unshare --mount --pid --fork sh -ec '
        mount -t proc proc "$1/chroot/proc"
        mount --rbind /dev "$1/chroot/dev"
        # what the session has, as with libpam-tmpdir, is not in the root
        unset TMPDIR
        exec autopkgtest --quiet --apt-upgrade --summary-file="$1/summary" "$1"/corosync2/*.changes \
            -- chroot "$1/chroot"' sh "$work" > "$work/autopkgtest.log" 2>&1 || {
        # 2 is a test that was skipped, which none should be
        cat "$work/autopkgtest.log" >&2; exit 1; }
    cat "$work/summary"
}

for suite; do
    bare "$suite"
    removal "$suite" ""
    removal "$suite" --install-remove-install
    own_tests
done
echo "check-deb: all passed"
