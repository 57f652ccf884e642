#!/bin/sh
# Unpack old and new Pythons of other Debian releases, so that the agent is tried under each.
#
#   tests/install-interpreters.sh [FOLDER]      default build/interpreters; FOLDER/bin goes on PATH
#
# Nothing is installed on the machine, and no rights are needed. 2.7 is the oldest available, 3.9 the
# oldest Python 3; 2.6 and 3.4 are no longer packaged for any system that is available.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/interpreters}
mkdir -p "$folder/bin"
folder=$(cd "$folder" && pwd)

# the mirror that this machine's own Debian comes from; that of security updates has no old suites
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Component: main' |
    grep -v security | head -n 1)
[ -n "$mirror" ] || { echo "apt knows no Debian mirror: run apt-get update first" >&2; exit 1; }
key=/usr/share/keyrings/debian-archive-keyring.gpg

# fetch SUITE PACKAGE...: download with lists of its own, and unpack to FOLDER/SUITE
fetch() {
    suite=$1; shift
    apt=$(mktemp -d)
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    : > "$apt/status"
    echo "deb [signed-by=$key] $mirror $suite main" > "$apt/sources.list"
    cat > "$apt/apt.conf" << END
Dir::State "$apt"; Dir::State::lists "$apt/lists"; Dir::State::status "$apt/status"; Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "/dev/null";
Acquire::Check-Valid-Until "false"; Acquire::Languages "none"; APT::Sandbox::User "root";
Acquire::Retries "3";
END
    rm -rf "${folder:?}/$suite"
    mkdir -p "$folder/$suite"
    (
        cd "$apt/archives"
        export APT_CONFIG="$apt/apt.conf"
        get() { apt-get -q update && apt-get -q download "$@"; }
        { get "$@" || get "$@"; } > "$apt/log" 2>&1 || {
            cat "$apt/log" >&2
            echo "cannot fetch Python from $mirror $suite: run this again once it can be reached, or" \
                "name folders of Pythons in PAF_INTERPRETERS" >&2
            exit 1; }
        for package in *.deb; do dpkg-deb -x "$package" "$folder/$suite"; done
    )
    rm -rf "$apt"
}

python() {
    echo "python$1-minimal libpython$1-minimal libpython$1-stdlib"
}

# older SUITE VERSION...: an older C library is no obstacle, they run as they are
older() {
    suite=$1; shift
    packages=
    for version; do packages="$packages $(python "$version")"; done
    # shellcheck disable=SC2086
    fetch "$suite" $packages
    for version; do
        ln -sf "../$suite/usr/bin/python$version" "$folder/bin/python$version"
    done
}

# newer SUITE VERSION: with the C library of its release, and what it was linked against
newer() {
    # shellcheck disable=SC2046
    fetch "$1" $(python "$2") libc6 libexpat1 zlib1g
    root=$folder/$1
    loader=$(find "$root" -name 'ld-linux-*.so.*' | head -n 1)
    libraries=$(find "$root" -name libc.so.6 -printf '%h\n' | head -n 1)
    # the host's own come last, for what the interpreter shares with it
    cat > "$folder/bin/python$2" << END
#!/bin/sh
exec "$loader" --library-path \\
    "$libraries:$root/usr/lib/${libraries##*/}:/usr/lib/${libraries##*/}" \\
    --argv0 "$root/usr/bin/python$2" "$root/usr/bin/python$2" "\$@"
END
    chmod +x "$folder/bin/python$2"
}

runs() {
    "$folder/bin/python$1" -c 'import sys, json, subprocess, xml.etree.ElementTree
sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$1"
}

# The last thing that is written: what is there and complete is not fetched again.
complete=$folder/complete
if cmp -s tests/install-interpreters.sh "$complete"; then
    for version in 2.7 3.9 3.13 3.14; do
        runs "$version" 2> /dev/null || rm -f "$complete"
    done
    [ ! -e "$complete" ] || exit 0
fi

older bullseye 2.7 3.9
newer trixie 3.13
newer forky 3.14

for version in 2.7 3.9 3.13 3.14; do
    runs "$version" || { echo "Python $version was fetched but does not run" >&2; exit 1; }
    # compiled, as packages do it: what starts in milliseconds there should not take longer here
    find "$folder" -type d -name "python$version" -path '*/usr/lib/*' \
        -exec "$folder/bin/python$version" -m compileall -q {} + > /dev/null || :
    echo "$folder/bin/python$version"
done
cp tests/install-interpreters.sh "$complete"
